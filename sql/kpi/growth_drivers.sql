-- One row per complete month and driver: why net sales changed against the month before, which must be
-- complete too. Net sales of customers are active customers × orders per customer × net value per order (net
-- of the returns booked in the month). The effect of a factor is its average change of the product over all
-- orders of switching the factors from the one month to the other (Shapley), so that the effects add up to
-- the change without a rest. `guests` is the change of their net sales; `returns_without_orders` has a row
-- only where in one of the months customers gave back and nobody ordered: then the factors of that month have
-- no value and take those of the other. Descriptive, not causal.
with months as (
    select
        m.period,
        m.period_name,
        m.currency,
        m.is_complete,
        m.net_sales,
        m.guest_net_sales,
        m.net_sales - m.guest_net_sales as customer_net_sales,
        m.orders - m.guest_orders as customer_orders,
        m.active_customers
    from kpi.monthly as m
),

pairs as (
    select
        n.period,
        n.period_name,
        b.period as previous_period,
        n.currency,
        b.net_sales as net_sales_prev,
        n.net_sales,
        n.net_sales - b.net_sales as net_sales_change,
        b.guest_net_sales as guests_before,
        n.guest_net_sales as guests_after,
        case when b.active_customers = 0 then b.customer_net_sales else 0 end as rest_before,
        case when n.active_customers = 0 then n.customer_net_sales else 0 end as rest_after,
        b.customer_net_sales as sales_before,
        n.customer_net_sales as sales_after,
        b.active_customers as active_before,
        n.active_customers as active_after,
        b.customer_orders::double precision / nullif(b.active_customers, 0) as frequency_before,
        n.customer_orders::double precision / nullif(n.active_customers, 0) as frequency_after,
        b.customer_net_sales::double precision / nullif(b.customer_orders, 0) as order_value_before,
        n.customer_net_sales::double precision / nullif(n.customer_orders, 0) as order_value_after
    from months as n
    inner join months as b on b.period = (n.period - interval '1 month')::date
    where n.is_complete and b.is_complete
),

factors as (
    select
        p.period,
        p.active_before::double precision as a0,
        p.active_after::double precision as a1,
        coalesce(p.frequency_before, p.frequency_after, 0) as f0,
        coalesce(p.frequency_after, p.frequency_before, 0) as f1,
        coalesce(p.order_value_before, p.order_value_after, 0) as v0,
        coalesce(p.order_value_after, p.order_value_before, 0) as v1
    from pairs as p
),

effects as (
    select
        f.period,
        ((f.a1 - f.a0) * ((f.f0 * f.v0 + f.f1 * f.v1) / 3 + (f.f0 * f.v1 + f.f1 * f.v0) / 6))::numeric(18, 4)
            as of_customers,
        ((f.f1 - f.f0) * ((f.a0 * f.v0 + f.a1 * f.v1) / 3 + (f.a0 * f.v1 + f.a1 * f.v0) / 6))::numeric(18, 4)
            as of_frequency
    from factors as f
),

drivers as (
    select
        p.period, 'active_customers' as driver, 1 as sort_order,
        p.active_before::double precision as value_before, p.active_after::double precision as value_after,
        e.of_customers as effect
    from pairs as p
    inner join effects as e on p.period = e.period
    union all
    select
        p.period, 'orders_per_customer' as driver, 2 as sort_order,
        p.frequency_before as value_before, p.frequency_after as value_after,
        e.of_frequency as effect
    from pairs as p
    inner join effects as e on p.period = e.period
    union all
    select
        p.period, 'net_value_per_order' as driver, 3 as sort_order,
        p.order_value_before as value_before, p.order_value_after as value_after,
        (p.sales_after - p.rest_after) - (p.sales_before - p.rest_before) - e.of_customers - e.of_frequency
            as effect
    from pairs as p
    inner join effects as e on p.period = e.period
    union all
    select
        p.period, 'guests' as driver, 4 as sort_order,
        p.guests_before::double precision as value_before, p.guests_after::double precision as value_after,
        p.guests_after - p.guests_before as effect
    from pairs as p
    union all
    select
        p.period, 'returns_without_orders' as driver, 5 as sort_order,
        p.rest_before::double precision as value_before, p.rest_after::double precision as value_after,
        p.rest_after - p.rest_before as effect
    from pairs as p
    where p.rest_before <> 0 or p.rest_after <> 0
),

final as (
    select
        p.period,
        d.driver,
        p.period_name,
        d.sort_order,
        p.previous_period,
        d.value_before,
        d.value_after,
        d.effect,
        d.effect::double precision / nullif(p.net_sales_change, 0) as share_of_change,
        p.net_sales_prev,
        p.net_sales,
        p.net_sales_change,
        p.currency
    from drivers as d
    inner join pairs as p on d.period = p.period
)

select * from final
