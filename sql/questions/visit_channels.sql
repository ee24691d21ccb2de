-- Which channels bring visitors who buy?
-- One row per channel of the visit (search, e-mail, social and so on), over all time. `sessions_with_view`
-- are visits that looked at a product, `sessions_with_purchase` those of them that bought afterwards in the
-- same visit, with a cart in between or without, and `conversion` is the one divided by the other. Orders and
-- net sales (before returns) are those of all visits of the channel, also of visits without a view; the
-- shares of net sales add up to 1. The channel is that of the visit itself: what brought the visitor earlier
-- plays no part.
with steps as (
    select
        f.breakdown_value as channel,
        f.step,
        f.units_started,
        f.units_reached,
        f.overall_conversion,
        f.ci_low,
        f.ci_high,
        f.low_n
    from behavior.funnel as f
    where f.scope = 'session' and f.cart_optional and f.period_name = 'all' and f.breakdown = 'channel'
        and f.step = 'purchase'
),

sales as (
    select
        o.channel,
        count(distinct o.order_id) as orders,
        sum(o.net_sales) as net_sales
    from behavior.visit_orders as o
    group by o.channel
),

channels as (
    select s.channel
    from steps as s
    union
    select s.channel
    from sales as s
),

final as (
    select
        k.channel,
        coalesce(t.units_started, 0) as sessions_with_view,
        coalesce(t.units_reached, 0) as sessions_with_purchase,
        t.overall_conversion as conversion,
        t.ci_low,
        t.ci_high,
        coalesce(s.orders, 0) as orders,
        coalesce(s.net_sales, 0) as net_sales,
        coalesce(s.net_sales, 0)::double precision / nullif(sum(s.net_sales) over (), 0) as share,
        (coalesce(s.net_sales, 0) / nullif(s.orders, 0))::numeric(18, 4) as aov,
        coalesce(t.low_n, true) as low_n,
        c.currency
    from channels as k
    cross join core.clock as c
    left join steps as t on k.channel = t.channel
    left join sales as s on k.channel = s.channel
    where t.units_started > 0 or s.orders > 0
)

select * from final
order by net_sales desc, channel
