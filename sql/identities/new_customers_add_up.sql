-- One row per table of periods: its new customers of all periods against the customers who ever ordered.
with customers as (
    select count(distinct o.customer_id) as customers
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

sums as (
    select 'kpi.daily' as derived, sum(k.new_customers) as new_customers from kpi.daily as k
    union all
    select 'kpi.weekly' as derived, sum(k.new_customers) as new_customers from kpi.weekly as k
    union all
    select 'kpi.monthly' as derived, sum(k.new_customers) as new_customers from kpi.monthly as k
    union all
    select 'kpi.quarterly' as derived, sum(k.new_customers) as new_customers from kpi.quarterly as k
    union all
    select 'kpi.yearly' as derived, sum(k.new_customers) as new_customers from kpi.yearly as k
    union all
    select 'questions.total_customers' as derived, q.purchasing_customers as new_customers
    from questions.total_customers as q
    union all
    select 'questions.repeat_customers' as derived, q.purchasing_customers as new_customers
    from questions.repeat_customers as q
),

final as (
    select
        s.derived,
        'new customers of all periods' as item,
        coalesce(s.new_customers, 0) as left_value,
        c.customers as right_value,
        coalesce(s.new_customers, 0) - c.customers as difference
    from sums as s
    cross join customers as c
)

select * from final
