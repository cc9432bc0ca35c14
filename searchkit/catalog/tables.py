"""The tables. Every constraint has a name, so that migrations can change it on SQLite too."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class PathBytes(TypeDecorator[str]):
    """A path as the bytes that the file system holds: names that are not UTF-8 survive the round trip."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else os.fsdecode(bytes(value))


class Base(DeclarativeBase):
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
    """JSON: what of the asset cannot be found, by the names of `types.LEFT_OUT`; NULL where nothing is."""
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
