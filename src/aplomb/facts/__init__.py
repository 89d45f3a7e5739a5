"""Facts of operators, to read: what a network looks like, what it costs, how far it sees."""

from aplomb.facts.table import Row, Table, fitting_shape, table

__all__ = ["Row", "Table", "fitting_shape", "table"]
