-- How much is an average order worth?
-- One row for all time (`period` is `all`) and one per month. `aov` is what was paid for the goods when ordering,
-- divided by orders; `aov_net` deducts the returns that can be linked to their order. Where `linked_return_share` is
-- near 0, the shop does not say what is given back, and `aov_net` says nothing.
with months as (
    select
        m.period_name as period,
        m.gross_sales - m.discounts as gross_less_discounts,
        m.returns,
        m.orders,
        m.aov,
        m.aov_net,
        m.median_order_value,
        m.is_complete,
        m.currency
    from kpi.monthly as m
),

totals as (
    select
        sum(m.gross_less_discounts) as gross_less_discounts,
        sum(m.returns) as returns,
        sum(m.orders)::bigint as orders
    from months as m
),

orders as (
    select
        sum(o.order_net_value) as orders_net_value,
        sum(o.linked_returns) as linked_returns,
        percentile_cont(0.5) within group (order by o.order_value::double precision) as median_order_value
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

final as (
    select
        'all' as period,
        (t.gross_less_discounts / nullif(t.orders, 0))::numeric(18, 4) as aov,
        (o.orders_net_value / nullif(t.orders, 0))::numeric(18, 4) as aov_net,
        o.median_order_value::numeric(18, 4) as median_order_value,
        coalesce(t.orders, 0) as orders,
        coalesce(t.gross_less_discounts, 0) as gross_less_discounts,
        o.linked_returns::double precision / nullif(t.returns, 0) as linked_return_share,
        true as is_complete,
        c.currency
    from totals as t
    cross join orders as o
    cross join core.clock as c
    union all
    select
        m.period,
        m.aov,
        m.aov_net,
        m.median_order_value,
        m.orders,
        m.gross_less_discounts,
        null as linked_return_share,
        m.is_complete,
        m.currency
    from months as m
)

select * from final
order by period <> 'all', period
