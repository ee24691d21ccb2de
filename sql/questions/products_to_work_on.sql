-- Which products should be worked on, and why?
-- Of each reason the ten products at which most can be won, from the last 28 days: looked at but not bought,
-- put into the cart but not bought, soon out of stock, in stock without anybody buying, and rising (what each
-- means is told at behavior.product_opportunities). The lost sales are a rough estimate at list price.
-- Without delivered stock the two reasons of stock do not occur; no row means that nothing stood out.
with ranked as (
    select
        o.reason,
        row_number() over (partition by o.reason order by o.rank, o.product_id) as rank,
        o.product_id,
        o.product_name,
        o.category,
        o.viewers,
        o.conversion,
        o.benchmark,
        o.net_units,
        o.stock_quantity,
        o.days_of_cover,
        o.trend,
        o.price,
        o.estimated_lost_sales,
        o.currency
    from behavior.product_opportunities as o
),

final as (
    select
        r.reason,
        r.rank,
        r.product_id,
        r.product_name,
        r.category,
        r.viewers,
        r.conversion,
        r.benchmark,
        r.net_units,
        r.stock_quantity,
        r.days_of_cover,
        r.trend,
        r.price,
        r.estimated_lost_sales,
        r.currency
    from ranked as r
    where r.rank <= 10
)

select * from final
order by reason, rank
