"""What an alert looks like as a message: its words, how often it was seen, what has changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from soccer_assets.alerting.kinds import Kind, Severity
from soccer_assets.alerting.outbox import RECOVERED, Entry
from soccer_assets.text import one_line, shortened, slack

#: Of a message, as it is sent. Slack cuts off after 40,000 characters and asks for 4,000 at most.
LONGEST = 3900
#: Of an alert's words, of a fact, of an alert in a digest; and so many facts, and alerts in a digest.
WORDS, FACT, LINE = 1500, 300, 200
FACTS, LINES = 15, 15
MARKS = {
    Severity.INFO: ":information_source:",
    Severity.WARNING: ":warning:",
    Severity.ERROR: ":red_circle:",
}
OVER, MANY = ":white_check_mark:", ":card_index_dividers:"
_MARK_OF = {
    Kind.STALE: ":hourglass:",
    Kind.RUN_SLOW: ":hourglass:",
    Kind.RETRAIN_STARTED: ":gear:",
    Kind.PROMOTED: ":trophy:",
    Kind.DIGEST: ":bar_chart:",
}


def message(entry: Entry, ui: str) -> str:
    """An alert by itself, in its present state.

    Args:
        ui: address of Dagster's web server, for the link to the run.
    """
    lines = [f"{_mark(entry)} {_words(entry, WORDS)}", *_facts(entry), _times(entry)]
    if entry.run_id:
        lines.append(f"{ui.rstrip('/')}/runs/{entry.run_id}")
    return fitting("\n".join(line for line in lines if line))


def recovery(entry: Entry) -> str:
    """That a trouble is over, below its message."""
    return fitting(f"{OVER} {_words(entry, LINE)}")


def digest(entries: Sequence[Entry], why: str) -> str:
    """Many alerts as one message, the worst first."""
    ordered = sorted(entries, key=lambda e: (e.state == RECOVERED, -e.severity.rank, e.first_seen))
    lines = [f"{MANY} {len(entries)} alerts {why}"]
    for entry in ordered[:LINES]:
        times = f" ({times})" if (times := _times(entry)) else ""
        lines.append(f"• {_mark(entry)} {one_line(_words(entry, LINE))}{times}")
    if len(ordered) > LINES:
        lines.append(f"… and {len(ordered) - LINES} more: soccer alerts lists them")
    return fitting("\n".join(lines))


def fitting(text: str) -> str:
    """Escaped for Slack, and no longer than a message may be."""
    limit = LONGEST
    while len(escaped := slack(shortened(text, limit))) > LONGEST:  # an & is five characters
        limit -= max(1, (len(escaped) - LONGEST) // 5)
    return escaped


def _mark(entry: Entry) -> str:
    if entry.state == RECOVERED:
        return OVER
    if entry.kind is Kind.STALE and entry.severity is Severity.ERROR:
        return MARKS[Severity.ERROR]
    return _MARK_OF.get(entry.kind, MARKS[entry.severity])


def _words(entry: Entry, limit: int) -> str:
    words = shortened(entry.text, limit)
    if entry.state != RECOVERED:
        return words
    return f"{entry.recovery or 'it is over'} (was: {words})"


def _facts(entry: Entry) -> list[str]:
    """The facts, with what each was when it was told last where it was another."""
    if entry.state == RECOVERED:
        return []
    told: Mapping[str, str] = entry.told_facts or {}
    lines = []
    for name, value in list(entry.facts.items())[:FACTS]:
        was = told.get(name, value)
        changed = f" (was {shortened(was, FACT)})" if was != value else ""
        new = " (new)" if told and name not in told else ""
        lines.append(f"{name}: {shortened(value, FACT)}{changed}{new}")
    if len(entry.facts) > FACTS:
        lines.append(f"… and {len(entry.facts) - FACTS} more")
    gone = [name for name in told if name not in entry.facts]
    if gone:
        lines.append(f"no more: {shortened(', '.join(gone), FACT)}")
    return lines


def _times(entry: Entry) -> str:
    partitions = entry.scope.get("partitions", [])
    left = ""
    if len(partitions) > 1 and entry.state != RECOVERED:
        shown = ", ".join([*partitions[:5], *(["…"] if len(partitions) > 5 else [])])
        left = f"{len(partitions)} partitions: {shown}. "
    if entry.count == 1:
        return left.strip()
    return (
        f"{left}{entry.count} times, {_moment(entry.first_seen)} to {_moment(entry.last_seen)} UTC"
    )


def _moment(time: datetime) -> str:
    return f"{time:%d %b %H:%M}"
