"""What every section of the settings is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
