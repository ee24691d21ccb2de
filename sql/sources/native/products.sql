-- One row per line of the export, as it is called there after the aliases of source.yaml.
select
    f.product_id,
    f.product_name,
    f.category,
    f.price,
    f.cost,
    f.brand,
    f.size,
    f.color,
    f.season,
    f.product_type,
    f.is_active,
    f.stock_quantity,
    f.updated_at,
    f.line
from file as f
