"""The stores: the fakes and the real ones pass the same tests."""
