-- One row per week and month for its active customers, and one for how they follow from those of the period
-- before.
with orders as (
    select
        o.customer_id,
        o.order_date,
        o.order_month
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

active as (
    select 'week' as grain, date_trunc('week', o.order_date)::date as period,
        count(distinct o.customer_id) as customers
    from orders as o
    group by date_trunc('week', o.order_date)::date
    union all
    select 'month' as grain, o.order_month as period, count(distinct o.customer_id) as customers
    from orders as o
    group by o.order_month
),

lifecycle as (
    select
        k.grain,
        k.period,
        k.active_customers,
        k.new_customers,
        k.resurrecting_customers,
        k.dormant_customers,
        lag(k.active_customers, 1, 0) over (partition by k.grain order by k.period) as active_before
    from kpi.lifecycle as k
),

final as (
    select
        'kpi.lifecycle' as derived,
        'active ' || coalesce(k.grain, a.grain) || ' ' || coalesce(k.period, a.period)::text as item,
        coalesce(k.active_customers, 0) as left_value,
        coalesce(a.customers, 0) as right_value,
        coalesce(k.active_customers, 0) - coalesce(a.customers, 0) as difference
    from lifecycle as k
    full join active as a on k.grain = a.grain and k.period = a.period
    union all
    select
        'kpi.lifecycle' as derived,
        'change ' || k.grain || ' ' || k.period::text as item,
        k.active_customers as left_value,
        k.active_before + k.dormant_customers + k.new_customers + k.resurrecting_customers as right_value,
        k.active_customers
        - (k.active_before + k.dormant_customers + k.new_customers + k.resurrecting_customers) as difference
    from lifecycle as k
)

select * from final
