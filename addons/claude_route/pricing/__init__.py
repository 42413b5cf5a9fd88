"""What a request costs. Pure: no I/O but the list that the package brings, no clock."""
