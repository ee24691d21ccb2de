-- One row per table of periods, shops or channels: its new customers against the customers who ever ordered.
with customers as (
    select count(distinct o.customer_id) as customers
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

sums as (
    select 'kpi.daily' as derived, 'all periods' as part, sum(k.new_customers) as new_customers
    from kpi.daily as k
    union all
    select 'kpi.weekly' as derived, 'all periods' as part, sum(k.new_customers) as new_customers
    from kpi.weekly as k
    union all
    select 'kpi.monthly' as derived, 'all periods' as part, sum(k.new_customers) as new_customers
    from kpi.monthly as k
    union all
    select 'kpi.quarterly' as derived, 'all periods' as part, sum(k.new_customers) as new_customers
    from kpi.quarterly as k
    union all
    select 'kpi.yearly' as derived, 'all periods' as part, sum(k.new_customers) as new_customers
    from kpi.yearly as k
    union all
    select 'kpi.lifecycle' as derived, 'each ' || k.grain as part, sum(k.new_customers) as new_customers
    from kpi.lifecycle as k
    group by k.grain
    union all
    select 'kpi.by_store' as derived, 'all shops' as part, sum(k.new_customers) as new_customers
    from kpi.by_store as k
    union all
    select 'kpi.by_channel' as derived, 'all channels' as part, sum(k.new_customers) as new_customers
    from kpi.by_channel as k
    union all
    select 'questions.total_customers' as derived, 'all periods' as part,
        q.purchasing_customers as new_customers
    from questions.total_customers as q
    union all
    select 'questions.repeat_customers' as derived, 'all periods' as part,
        q.purchasing_customers as new_customers
    from questions.repeat_customers as q
),

final as (
    select
        s.derived,
        'new customers of ' || s.part as item,
        coalesce(s.new_customers, 0) as left_value,
        c.customers as right_value,
        coalesce(s.new_customers, 0) - c.customers as difference
    from sums as s
    cross join customers as c
)

select * from final
