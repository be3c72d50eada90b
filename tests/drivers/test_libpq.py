"""libpq (libpq_client.cc): what C programs, and the drivers that wrap it, build on."""


def test_libpq(service, table):
    service.run_checks(service.built("tests/drivers/libpq_client"), table,
                       expected=["prepared", "pipelines", "pipeline errors", "single rows", "copy", "cancel", "clients"])
