-- One row per month (or `all`): net sales of all cohorts, of none and of guests against those of the sales
-- lines; and one per table: its customers against those who ever ordered.
with lines as (
    select
        s.sold_month as month,
        sum(s.net_sales) as net_sales,
        coalesce(sum(s.net_sales) filter (where s.is_guest), 0) as guest_net_sales
    from core.sales as s
    cross join core.clock as c
    where s.sold_date <= c.as_of_date
    group by s.sold_month
),

customers as (
    select count(distinct o.customer_id) as customers
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

cells as (
    select
        r.period_index,
        r.activity_month as month,
        r.cohort_size,
        r.net_sales
    from cohort.retention as r
    where r.variant = 'all' and r.cohort <> 'ALL'
),

amounts as (
    select to_char(c.month, 'YYYY-MM') as item, c.net_sales as left_value, 0 as right_value
    from cells as c
    union all
    select to_char(l.month, 'YYYY-MM') as item, l.guest_net_sales as left_value, l.net_sales as right_value
    from lines as l
    union all
    select 'all' as item, c.net_sales as left_value, 0 as right_value
    from cells as c
    union all
    select 'all' as item, l.guest_net_sales as left_value, l.net_sales as right_value
    from lines as l
),

counts as (
    select
        'cohort.retention' as derived,
        coalesce(sum(c.cohort_size) filter (where c.period_index = 0), 0) as customers
    from cells as c
    union all
    select 'cohort.members' as derived, count(*) as customers
    from cohort.members as m
),

final as (
    select
        'cohort.retention' as derived,
        'net sales ' || a.item as item,
        sum(a.left_value) as left_value,
        sum(a.right_value) as right_value,
        sum(a.left_value) - sum(a.right_value) as difference
    from amounts as a
    group by a.item
    union all
    select
        n.derived,
        'customers' as item,
        n.customers as left_value,
        c.customers as right_value,
        n.customers - c.customers as difference
    from counts as n
    cross join customers as c
)

select * from final
