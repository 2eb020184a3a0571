"""What the lake and the DVC remote hold of revisions that nobody needs any more.

Outs of revisions share what has not changed between them, so an object goes only with the last revision
that has it. In the order in which it goes, a kill leaves nothing that says more than there is: first the
revisions, then the listings of directories, then the rest. DVC takes the files of a directory for pushed as
long as it finds its listing.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from soccer_assets.dvc.cache import LISTING, read_listing
from soccer_assets.dvc.revisions import FOLDER, Revision, UnknownRevision, get_revision
from soccer_assets.storage.store import ObjectNotFound, ObjectStore, Stored

#: Below a DVC remote.
OBJECTS = "files/md5/"


class RevisionNeeded(Exception):
    """Something that is to be kept is not there, or came to be needed meanwhile; says what."""


@dataclass
class Garbage:
    """What can go and what stays, in the words of the stores: key -> what is stored."""

    revisions: dict[str, Stored] = field(default_factory=dict)
    objects: dict[str, Stored] = field(default_factory=dict)
    kept_revisions: dict[str, Stored] = field(default_factory=dict)
    kept_objects: dict[str, Stored] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    """Revisions that stay and are not whole in the remote."""


def find_garbage(
    lake: ObjectStore, remote: ObjectStore, needed: Collection[str], before: datetime
) -> Garbage:
    """What no revision has that is needed, or was stored since ``before``, and is as old itself.

    Args:
        lake: where revisions are kept,
        remote: where DVC keeps their outs.
        needed: names of revisions.
    """
    found = Garbage()
    # First what there is, then who needs it: what is made meanwhile is too young to go.
    objects = remote.stored(OBJECTS)
    for key, stored in lake.stored(FOLDER).items():
        stays = _name(key) in needed or stored.at >= before
        (found.kept_revisions if stays else found.revisions)[key] = stored
    live: set[str] = set()
    listings: dict[str, set[str] | None] = {}
    for key in found.kept_revisions:
        keys = _objects_of(lake, remote, key, listings)
        if not keys or not keys <= objects.keys():
            found.unreadable.append(_name(key))
        live |= keys
    for key, stored in objects.items():
        stays = key in live or stored.at >= before
        (found.kept_objects if stays else found.objects)[key] = stored
    return found


def remove_garbage(
    lake: ObjectStore,
    remote: ObjectStore,
    garbage: Garbage,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Remove it. What is left by a kill is found again.

    Raises:
        RevisionNeeded: a revision was stored since the garbage was found, and has something of it; it
            is not removed then, if it was not before.
    """
    for key in garbage.revisions:
        lake.delete(key)
    progress(f"{len(garbage.revisions)} revisions removed")
    known = garbage.revisions.keys() | garbage.kept_revisions.keys()
    going = sorted(garbage.objects, key=lambda key: (not key.endswith(LISTING), key))
    looked_at: dict[str, set[str] | None] = {}
    for place, key in enumerate(going):
        if place % 1000 == 0:
            for new in lake.stored(FOLDER).keys() - known:
                if again := _objects_of(lake, remote, new, looked_at) & garbage.objects.keys():
                    raise RevisionNeeded(
                        f"revision {_name(new)} was made meanwhile and has {len(again)} objects that"
                        " were to go: features have to be made again; nothing more is removed"
                    )
                known |= {new}
        remote.delete(key)
    progress(f"{len(going)} objects removed")


def _objects_of(
    lake: ObjectStore, remote: ObjectStore, key: str, listings: dict[str, set[str] | None]
) -> set[str]:
    """Keys in the remote of all that a revision consists of; nothing of one that is damaged."""
    try:
        revision = get_revision(lake, _name(key))
    except UnknownRevision:
        return set()
    return set(_keys(revision, remote, listings))


def _keys(
    revision: Revision, remote: ObjectStore, listings: dict[str, set[str] | None]
) -> Iterator[str]:
    for out in revision.outs.values():
        yield object_key(out.md5)
        if out.is_directory:
            if out.md5 not in listings:
                listings[out.md5] = _listed(remote, out.md5)
            yield from listings[out.md5] or ()


def _listed(remote: ObjectStore, md5: str) -> set[str] | None:
    """None: the listing is not there, so nobody can read the directory."""
    try:
        listing = remote.get(object_key(md5))
    except ObjectNotFound:
        return None
    try:
        return {object_key(of_file) for of_file in read_listing(listing).values()}
    except (ValueError, TypeError, KeyError):
        return None


def object_key(md5: str) -> str:
    """Where a remote keeps what has this MD5."""
    return f"{OBJECTS}{md5[:2]}/{md5[2:]}"


def _name(key: str) -> str:
    return key.removeprefix(FOLDER).removesuffix(".json")
