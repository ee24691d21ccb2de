-- Which products sell mostly on discount?
-- The twenty products with the largest part of their units sold at a discount, over all time.
-- `discount_depth` is how much was taken off where something was. Products with too few lines
-- (core.parameters.min_group_size) are left out; lines of which the source says that there was a discount,
-- but not how much, count as discounted units.
with ranked as (
    select
        row_number() over (
            order by d.discounted_unit_share desc, d.discounted_units desc, d.product_id
        ) as rank,
        d.product_id,
        d.product_name,
        d.category,
        d.orders,
        d.units,
        d.discounted_units,
        d.discounted_unit_share,
        d.discounts,
        d.discounted_gross_sales,
        d.discount_depth,
        d.price_per_unit_discounted,
        d.price_per_unit_full,
        d.currency
    from kpi.product_discounts as d
    where not d.low_n and d.product_type = 'goods' and d.discounted_lines > 0
),

final as (
    select
        r.rank,
        r.product_id,
        r.product_name,
        r.category,
        r.orders,
        r.units,
        r.discounted_units,
        r.discounted_unit_share,
        r.discounts,
        r.discounted_gross_sales,
        r.discount_depth,
        r.price_per_unit_discounted,
        r.price_per_unit_full,
        r.currency
    from ranked as r
    where r.rank <= 20
)

select * from final
order by rank
