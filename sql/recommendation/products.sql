-- One row per product: what a recommender must know of it. Recommended are goods that are active and not known
-- to be out of stock (no delivered stock says nothing). Repeatable ones may be recommended to those who bought
-- them lately.
with products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.product_type,
        p.is_active,
        p.stock_quantity
    from core.products as p
),

repeatable as (
    select r.category
    from recommendation.repeatable_categories as r
),

final as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.product_type = 'goods' as is_goods,
        p.is_active,
        coalesce(p.stock_quantity > 0, true) as is_in_stock,
        p.product_type = 'goods' and p.is_active and coalesce(p.stock_quantity > 0, true) as is_recommendable,
        r.category is not null as is_repeatable
    from products as p
    left join repeatable as r on p.category = r.category
)

select * from final
