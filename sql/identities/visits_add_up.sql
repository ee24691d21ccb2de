-- One row per table and figure (visits, orders, net sales, views): the sum of its rows against the visits
-- themselves.
with visits as (
    select
        count(*) as sessions,
        coalesce(sum(v.orders), 0) as orders,
        coalesce(sum(v.net_sales), 0) as net_sales
    from core.visits as v
),

views as (
    select count(*) as views
    from core.activity as a
    where a.event_type = 'view' and a.product_id is not null
),

derived as (
    select
        'behavior.sessions_daily' as derived,
        coalesce(sum(d.sessions), 0) as sessions,
        coalesce(sum(d.orders), 0) as orders,
        coalesce(sum(d.net_sales), 0) as net_sales
    from behavior.sessions_daily as d
    union all
    select
        'behavior.visitors' as derived,
        coalesce(sum(d.sessions), 0) as sessions,
        coalesce(sum(d.orders), 0) as orders,
        coalesce(sum(d.net_sales), 0) as net_sales
    from behavior.visitors as d
    union all
    select
        'behavior.visit_classes' as derived,
        coalesce(sum(d.sessions), 0) as sessions,
        coalesce(sum(d.orders), 0) as orders,
        coalesce(sum(d.net_sales), 0) as net_sales
    from behavior.visit_classes as d
    union all
    select
        'behavior.device_effect' as derived,
        coalesce(sum(d.sessions), 0) as sessions,
        coalesce(sum(d.orders), 0) as orders,
        coalesce(sum(d.net_sales), 0) as net_sales
    from behavior.device_effect as d
    union all
    select
        'behavior.location_effect' as derived,
        coalesce(sum(d.sessions), 0) as sessions,
        coalesce(sum(d.orders), 0) as orders,
        coalesce(sum(d.net_sales), 0) as net_sales
    from behavior.location_effect as d
),

bought as (
    select
        count(*) as orders,
        coalesce(sum(o.net_sales), 0) as net_sales
    from behavior.visit_orders as o
),

dwell as (
    select
        d.scope,
        coalesce(sum(d.views), 0) as views
    from behavior.page_dwell as d
    group by d.scope
),

compared as (
    select d.derived, 'visits' as item, d.sessions as left_value, v.sessions as right_value
    from derived as d
    cross join visits as v
    union all
    select d.derived, 'orders' as item, d.orders as left_value, v.orders as right_value
    from derived as d
    cross join visits as v
    union all
    select d.derived, 'net sales' as item, d.net_sales as left_value, v.net_sales as right_value
    from derived as d
    cross join visits as v
    union all
    select
        'behavior.visit_orders' as derived,
        'orders' as item,
        b.orders as left_value,
        v.orders as right_value
    from bought as b
    cross join visits as v
    union all
    select
        'behavior.visit_orders' as derived,
        'net sales' as item,
        b.net_sales as left_value,
        v.net_sales as right_value
    from bought as b
    cross join visits as v
    union all
    select
        'behavior.page_dwell' as derived,
        'views by ' || d.scope as item,
        d.views as left_value,
        w.views as right_value
    from dwell as d
    cross join views as w
),

final as (
    select
        c.derived,
        c.item,
        c.left_value,
        c.right_value,
        c.left_value - c.right_value as difference
    from compared as c
)

select * from final
