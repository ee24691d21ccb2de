-- One row per product: those delivered, and those that only sales or interactions know (`is_inferred`).
-- `category` is the first level of the delivered path; without one it is `Unknown`, a value like any other.
-- Only `goods` enter product rankings and baskets; services and vouchers bring money but are not bought together.
with products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.cost,
        p.brand,
        p.size,
        p.color,
        p.season,
        p.product_type,
        p.is_active,
        p.stock_quantity,
        p.source_id
    from landed.products as p
),

mentioned as (
    select
        s.product_id,
        s.source_id
    from core.sales as s
    union
    select
        i.product_id,
        i.source_id
    from core.interactions as i
    where i.product_id is not null
),

inferred as (
    select
        m.product_id,
        min(m.source_id) as source_id
    from mentioned as m
    left join products as p on m.product_id = p.product_id
    where p.product_id is null
    group by m.product_id
),

members as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.cost,
        p.brand,
        p.size,
        p.color,
        p.season,
        p.product_type,
        p.is_active,
        p.stock_quantity,
        false as is_inferred,
        p.source_id
    from products as p
    union all
    select
        i.product_id,
        null, null, null, null, null, null, null, null, null, null, null,
        true,
        i.source_id
    from inferred as i
),

final as (
    select
        m.product_id,
        coalesce(m.product_name, m.product_id) as product_name,
        coalesce(nullif(trim(split_part(m.category, '/', 1)), ''), 'Unknown') as category,
        m.category as category_path,
        m.price,
        m.cost,
        m.brand,
        m.size,
        m.color,
        m.season,
        case when m.product_type in ('service', 'voucher') then m.product_type else 'goods' end as product_type,
        coalesce(m.is_active, true) as is_active,
        m.stock_quantity,
        m.is_inferred,
        m.source_id
    from members as m
)

select * from final
