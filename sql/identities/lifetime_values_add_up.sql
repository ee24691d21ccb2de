-- One row per table made from lifetime values, or from their test, and figure that is compared with the customers
-- whom it sums up.
with valued as (
    select
        count(*) as customers,
        sum(v.clv_12m) as clv_12m
    from customer.lifetime_value as v
),

segments as (
    select
        r.segment,
        count(*) as customers,
        sum(v.clv_12m) as clv_12m
    from customer.lifetime_value as v
    inner join customer.rfm as r on v.customer_id = r.customer_id
    group by r.segment
    union all
    select
        'All customers' as segment,
        v.customers,
        v.clv_12m
    from valued as v
    where v.customers > 0
),

grid as (
    select
        sum(g.customers) as customers,
        sum(g.clv_12m) as clv_12m
    from customer.value_grid as g
),

calibration as (
    select
        count(*) as customers,
        sum(s.holdout_occasions) as orders
    from customer.purchase_summary as s
    where s.observation = 'calibration'
),

buckets as (
    select
        sum(b.customers) as customers,
        sum(b.actual_orders) as orders
    from customer.lifetime_buckets as b
),

evaluated as (
    select
        max(e.customers) as customers,
        max(e.orders_actual) as orders
    from customer.lifetime_evaluation as e
    where e.is_served
),

tracked as (
    select
        max(t.week_end_date) as week_end_date,
        max(t.cumulative_actual) as orders
    from customer.lifetime_tracking as t
),

came as (
    select sum(d.repeat_occasions) as orders
    from customer.lifetime_days as d
    cross join tracked as t
    where d.occasion_date <= t.week_end_date
),

compared as (
    select
        'customer.value_grid' as derived,
        'customers' as item,
        coalesce(g.customers, 0) as left_value,
        v.customers as right_value,
        0 as tolerance
    from grid as g
    cross join valued as v
    union all
    select
        'customer.value_grid' as derived,
        'value' as item,
        coalesce(g.clv_12m, 0) as left_value,
        coalesce(v.clv_12m, 0) as right_value,
        0 as tolerance
    from grid as g
    cross join valued as v
    union all
    select
        'customer.value_totals' as derived,
        'customers of ' || coalesce(t.segment, s.segment) as item,
        coalesce(t.customers, 0) as left_value,
        coalesce(s.customers, 0) as right_value,
        0 as tolerance
    from customer.value_totals as t
    full join segments as s on t.segment = s.segment
    union all
    -- the values of customers are rounded one by one
    select
        'customer.value_totals' as derived,
        'value of ' || coalesce(t.segment, s.segment) as item,
        coalesce(t.clv_12m, 0) as left_value,
        coalesce(s.clv_12m, 0) as right_value,
        0.0001 * (1 + coalesce(s.customers, 0)) as tolerance
    from customer.value_totals as t
    full join segments as s on t.segment = s.segment
    union all
    select
        'customer.lifetime_buckets' as derived,
        'customers' as item,
        coalesce(b.customers, 0) as left_value,
        c.customers as right_value,
        0 as tolerance
    from buckets as b
    cross join calibration as c
    union all
    select
        'customer.lifetime_buckets' as derived,
        'orders' as item,
        coalesce(b.orders, 0) as left_value,
        coalesce(c.orders, 0) as right_value,
        0 as tolerance
    from buckets as b
    cross join calibration as c
    union all
    select
        'customer.lifetime_evaluation' as derived,
        'customers' as item,
        coalesce(e.customers, 0) as left_value,
        c.customers as right_value,
        0 as tolerance
    from evaluated as e
    cross join calibration as c
    union all
    select
        'customer.lifetime_evaluation' as derived,
        'orders' as item,
        coalesce(e.orders, 0)::numeric(18, 4) as left_value,
        coalesce(c.orders, 0) as right_value,
        0 as tolerance
    from evaluated as e
    cross join calibration as c
    union all
    select
        'customer.lifetime_tracking' as derived,
        'repeat orders' as item,
        coalesce(t.orders, 0) as left_value,
        coalesce(c.orders, 0) as right_value,
        0 as tolerance
    from tracked as t
    cross join came as c
),

final as (
    select
        c.derived,
        c.item,
        c.left_value,
        c.right_value,
        case when abs(c.left_value - c.right_value) <= c.tolerance then 0 else c.left_value - c.right_value end
            as difference
    from compared as c
)

select * from final
