"""The DVC workspace that makes the features, and what it has made."""

import dagster as dg

from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.dvc.revisions import get_revision
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.resources.lake import LakeResource
from soccer_assets.settings import Settings
from soccer_assets.storage.opening import open_lake
from soccer_assets.storage.store import ObjectStore


class DvcResource(dg.ConfigurableResource):
    """The pipeline of ``soccer_assets/dvc/dvc.yaml``: its outs are pushed to ``remote``, its
    revisions kept in the lake."""

    settings: dg.ResourceDependency[Settings]
    lake: LakeResource
    remote: str

    @property
    def workspace(self) -> DvcWorkspace:
        return DvcWorkspace(
            self.settings.home / "dvc",
            self.remote,
            self.settings.params_file,
            self.lake.endpoint_url,
            self.lake.region,
            self.settings.environment(),
        )

    def at(self, revision: str) -> RevisionReader:
        """The outs of a revision, wherever they were made.

        Raises:
            UnknownRevision: it is not in the lake.
        """

        def remote() -> ObjectStore:
            return open_lake(self.remote, self.lake.endpoint_url, self.lake.region)

        return RevisionReader(get_revision(self.lake.store, revision), self.workspace.cache, remote)
