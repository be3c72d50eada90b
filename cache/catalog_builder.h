// Makes a Catalog of rows. I/O-free; takes some milliseconds for ten thousand relations.
#pragma once

#include "cache/catalog.h"
#include "cache/catalog_rows.h"

namespace sportello::cache {

CatalogRef build_catalog(CatalogRows rows);

}  // namespace sportello::cache
