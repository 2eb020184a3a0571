"""The query of the list of coming matches. What it does not know it refuses: a filter with a slip in its
name would otherwise give all matches, and nobody would see it."""

from collections import Counter
from datetime import date

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from soccer_assets.serving.paging import BadCursor, Position, decode_cursor

DEFAULT_LIMIT, MAX_LIMIT = 50, 500


class ListQuery(BaseModel):
    """Which matches, and how many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Matches a page.")
    cursor: str | None = Field(None, max_length=64, description="`next` of the page before.")
    first_day: date | None = Field(
        None, alias="from", description="First day of kick-off, UTC, inclusive."
    )
    last_day: date | None = Field(
        None, alias="until", description="Last day of kick-off, UTC, inclusive."
    )
    tournament_id: int | None = Field(None, description="Only this tournament.")
    team_id: int | None = Field(None, description="Only this team, home or away.")

    @property
    def after(self) -> Position | None:
        """Where the page before ended."""
        return None if self.cursor is None else decode_cursor(self.cursor)

    @field_validator("cursor")
    @classmethod
    def _is_ours(cls, cursor: str | None) -> str | None:
        try:
            if cursor is not None:
                decode_cursor(cursor)
        except BadCursor as error:
            raise ValueError(f"`cursor` is {error}; pass the `next` of a page") from error
        return cursor

    @field_validator("last_day")
    @classmethod
    def _is_not_before_the_first(cls, last: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("first_day")
        if first is not None and last is not None and first > last:
            raise ValueError("`from` is later than `until`")
        return last


async def refuse_repeated(request: Request) -> None:
    """Of a parameter that is given twice, one would be followed and the other one silently not.

    Raises:
        RequestValidationError: naming all that are.
    """
    given = request.query_params
    repeated = [
        name for name, count in Counter(n for n, _ in given.multi_items()).items() if count > 1
    ]
    if repeated:
        raise RequestValidationError(
            [
                {
                    "type": "repeated",
                    "loc": ("query", name),
                    "msg": f"`{name}` is given more than once",
                    "input": given.getlist(name),
                }
                for name in repeated
            ]
        )
