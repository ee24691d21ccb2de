"""Contracts of tables: read from ODCS files, and everything that derives from them alone."""

from cxa_pipeline.contracts.model import Catalog, Column, Contract, Rule
from cxa_pipeline.contracts.read import load_catalog, read_contract, validate_odcs

__all__ = ["Catalog", "Column", "Contract", "Rule", "load_catalog", "read_contract", "validate_odcs"]
