"""The tables. Every constraint has a name, so that migrations can change it on SQLite too."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class PathBytes(TypeDecorator[str]):
    """A path as the bytes that the file system holds: names that are not UTF-8 survive the round trip."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """The bytes to store for a path."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """The path of stored bytes."""
        return None if value is None else os.fsdecode(bytes(value))


class Base(DeclarativeBase):
    """The base of all tables."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )


class SourceRow(Base):
    """A folder that the user asked to index."""

    __tablename__ = "source"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    path: Mapped[str] = mapped_column(PathBytes, unique=True)
    state: Mapped[str] = mapped_column(String(16), default="ready")
    """"ready", or "offline" when it could not be read the last time."""
    checked: Mapped[float | None] = mapped_column(Float)


class AssetRow(Base):
    """One file, as it was when its vectors were made."""

    __tablename__ = "asset"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"), index=True)
    path: Mapped[str] = mapped_column(PathBytes, unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(16))


class EncodedRow(Base):
    """The items of an asset that one space holds. Their ids follow from path, content and count."""

    __tablename__ = "encoded"
    asset_id: Mapped[int] = mapped_column(ForeignKey("asset.id"), primary_key=True)
    space: Mapped[str] = mapped_column(String(128), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    items: Mapped[int] = mapped_column(Integer)
    left_out: Mapped[str | None] = mapped_column(Text)
    """What of the asset cannot be found: JSON, counts by the names of `types.LEFT_OUT`; NULL for nothing."""
    __table_args__ = (Index("ix_encoded_content", "space", "sha256"),)


class TombstoneRow(Base):
    """Items that must leave a store. Written when they are forgotten, removed when they are out."""

    __tablename__ = "tombstone"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    space: Mapped[str] = mapped_column(String(128))
    path: Mapped[str] = mapped_column(PathBytes)
    sha256: Mapped[str] = mapped_column(String(64))
    items: Mapped[int] = mapped_column(Integer)


class FailureRow(Base):
    """The ledger: a file that could not be indexed, and what would be a reason to try it again."""

    __tablename__ = "failure"
    path: Mapped[str] = mapped_column(PathBytes, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    decoder: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float)


class SpaceRow(Base):
    """A space that this collection holds vectors of."""

    __tablename__ = "space"
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    encoder: Mapped[str] = mapped_column(Text)
    weights: Mapped[str] = mapped_column(String(64))
    preprocessing: Mapped[int] = mapped_column(Integer)
    dim: Mapped[int] = mapped_column(Integer)
    created: Mapped[float] = mapped_column(Float)
    model: Mapped[str | None] = mapped_column(Text)
    """The name by which the encoder is loaded."""
    images: Mapped[bool | None] = mapped_column(Boolean)
    golden: Mapped[bytes | None] = mapped_column(LargeBinary)
    """float32 vectors of a fixed sentence and a fixed picture, as the encoder made them on the first day."""
    activated: Mapped[float | None] = mapped_column(Float)
    """When it last became the one that answers."""


class ReferenceRow(Base):
    """The scores that queries which should find nothing reach in one space: mean and spread of their best."""

    __tablename__ = "reference"
    space: Mapped[str] = mapped_column(String(128), primary_key=True)
    asked_with: Mapped[str] = mapped_column(String(16), primary_key=True)
    """"text" or "image"."""
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    mean: Mapped[float] = mapped_column(Float)
    deviation: Mapped[float] = mapped_column(Float)
    queries: Mapped[int] = mapped_column(Integer)


class RatingRow(Base):
    """A person's verdict on one result of one question: right or wrong."""

    __tablename__ = "rating"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """sha256 of question and result: the last word counts."""
    question: Mapped[str | None] = mapped_column(Text)
    """The question's text; NULL where it was a picture."""
    like: Mapped[str | None] = mapped_column(String(64))
    """The sha256 of the indexed picture that was the question; NULL where it was text."""
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    """The content of the result's file."""
    kind: Mapped[str] = mapped_column(String(16))
    place: Mapped[int] = mapped_column(Integer)
    """The place in the file: a passage's first character, a picture's number."""
    text: Mapped[str | None] = mapped_column(Text)
    """The text of a passage; NULL for a picture."""
    value: Mapped[int] = mapped_column(Integer)
    """1 for right, -1 for wrong."""
    at: Mapped[float] = mapped_column(Float)


LIVE = text("state IN ('waiting', 'running')")


class JobRow(Base):
    """A piece of work on one space, which a worker claims for a time, its lease."""

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """"file": index it; "sweep": drop what is gone from a source; "refresh": compact and measure."""
    space: Mapped[str] = mapped_column(String(128))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"), index=True)
    path: Mapped[str] = mapped_column(PathBytes)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    decoder: Mapped[str] = mapped_column(String(64))
    """The name in the failure ledger, should the job end there."""
    priority: Mapped[int] = mapped_column(Integer)
    """The higher, the sooner."""
    state: Mapped[str] = mapped_column(String(16))
    """"waiting", "running", "done" or "dead"."""
    due: Mapped[float] = mapped_column(Float)
    attempts: Mapped[int] = mapped_column(Integer)
    suspect: Mapped[int] = mapped_column(Integer)
    """How often it was in a batch whose worker died or failed; such a job is claimed alone."""
    fence: Mapped[int] = mapped_column(Integer)
    """The number of the claim: a worker that comes back after its lease cannot end the claim of another."""
    worker: Mapped[str | None] = mapped_column(String(128))
    lease: Mapped[float | None] = mapped_column(Float)
    """When the claim runs out."""
    reason: Mapped[str | None] = mapped_column(Text)
    ended: Mapped[float | None] = mapped_column(Float)
    __table_args__ = (
        Index(
            "uq_job_live",
            "space",
            "kind",
            "path",
            "size",
            "mtime_ns",
            unique=True,
            sqlite_where=LIVE,
            postgresql_where=LIVE,
        ),
        Index("ix_job_queue", "space", "state", "kind", "priority", "id"),
    )
