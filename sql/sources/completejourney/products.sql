-- One row per product of the catalogue. Names are those of the product type; slashes within the names of categories
-- are written as hyphens, because a slash divides the levels.
select
    f.product_id,
    f.product_type as product_name,
    replace(f.department, '/', '-') || coalesce('/' || replace(f.product_category, '/', '-'), '') as category,
    f.brand,
    f.package_size as size,
    f.line
from file as f
