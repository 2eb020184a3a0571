"""What the steps printed, in a lake that is a bucket: for every machine to read."""

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from dagster_aws.s3 import S3ComputeLogManager

from soccer_assets.dagster_internals import (
    ComputeIOType,
    ConfigurableClassData,
    LocalComputeLogManager,
)
from soccer_assets.settings import Settings
from soccer_assets.storage.opening import s3_client

log = logging.getLogger(__name__)

#: Below the lake.
FOLDER = "dagster_logs"


class LakeComputeLogManager(S3ComputeLogManager):
    """``S3ComputeLogManager`` beside the lake, without which no run fails or waits for long: what
    it does not take stays on the machine that printed it, and is shown there.

    Args:
        local: captures the output, until the lake has it,
        folder: which is where it captures it.
    """

    #: A bucket that has not answered by then counts as away; it is asked once.
    PATIENCE_SECONDS = 5.0

    def __init__(
        self,
        settings: Settings,
        local: LocalComputeLogManager,
        folder: str,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        lake = urlsplit(settings.lake)
        prefix = f"{lake.path.strip('/')}/{FOLDER}"
        super().__init__(lake.netloc, folder, inst_data, prefix)
        self._capturing = local
        # Dagster's own client has botocore's patience, minutes, and its region.
        self._s3_session = s3_client(
            settings.s3_endpoint_url,
            settings.aws_region,
            connect_timeout=self.PATIENCE_SECONDS,
            read_timeout=self.PATIENCE_SECONDS,
            retries={"total_max_attempts": 1},
        )

    @property
    def local_manager(self) -> LocalComputeLogManager:
        return self._capturing

    def _on_capture_complete(self, log_key: Sequence[str]) -> None:
        try:
            super()._on_capture_complete(log_key)
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            log.warning(
                "what %s printed stays on this machine: the lake does not take it (%s)",
                log_key[-1],
                type(error).__name__,
            )

    def cloud_storage_has_logs(
        self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False
    ) -> bool:
        try:
            return super().cloud_storage_has_logs(log_key, io_type, partial)
        except BotoCoreError:  # it is away
            return False

    def download_url_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> str | None:
        """Dagster's web server reads it for whoever may: an address of the bucket's would be signed
        with our key, and browsers may not reach it."""
        if not self.is_capture_complete(log_key):
            return None
        url: str = self.local_manager.get_captured_log_download_url(log_key, io_type)
        return url
