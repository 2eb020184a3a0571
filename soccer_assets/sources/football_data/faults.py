"""What can be wrong with a file of the site. Every message names the file, the line and the fault."""

from datetime import date

from soccer_assets.feed.faults import FetchFault
from soccer_assets.text import terminal


class FileFault(Exception):
    """A file, or one line of it, could not be used.

    Attributes:
        file: its path on the site.
        line: the line of the file, counted from 1; None when it is about the whole file.
        fault: what was wrong, in words.
        body: what the site sent instead of the file, if anything.
        passing: it lies with the connection or the state of the site.
        of_site: any other file would have it, too.
    """

    def __init__(
        self,
        file: str,
        fault: str,
        *,
        line: int | None = None,
        body: bytes | None = None,
        passing: bool = False,
        of_site: bool = False,
    ) -> None:
        fault = terminal(fault)  # it quotes the file, and ends in logs
        super().__init__(f"{file}{f' line {line}' if line else ''}: {fault}")
        self.passing = passing
        self.of_site = of_site
        self.file = file
        self.line = line
        self.fault = fault
        self.body = body


class FootballDataFault(FetchFault):
    """A day could not be put together, because of a file.

    Attributes:
        day: the day asked for.
        file: the file at fault.
        line: the line of the file at fault, if it is one line.
        fault: file, line and what was wrong, in words.
        body: what the site sent instead of the file, if anything.
    """

    def __init__(self, day: date, cause: FileFault) -> None:
        super().__init__(day, str(cause), cause.body, passing=cause.passing)
        self.args = (f"football-data.co.uk {day.isoformat()}: {cause}",)
        self.file = cause.file
        self.line = cause.line
