-- One row per kind of event (and for all of them) and table: the sum of its cells or days against the events
-- themselves, and one per measure of the heat map that has not all 168 cells.
with activity as (
    select
        a.event_type,
        a.event_source,
        a.occurred_date
    from core.activity as a
),

tracked as (
    select min(a.occurred_date) as begin_date
    from activity as a
    where a.event_source = 'interaction'
),

events as (
    select
        a.event_type,
        count(*) as events
    from activity as a
    cross join tracked as t
    where a.occurred_date >= t.begin_date
    group by a.event_type
),

orders as (
    select count(*) as orders
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

lines as (
    select coalesce(sum(s.net_sales), 0) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

amounts as (
    select 'behavior.peak_times' as derived, p.event_type as item, p.total as left_value, 0 as right_value
    from behavior.peak_times as p
    union all
    select 'behavior.peak_times' as derived, e.event_type as item, 0 as left_value, e.events as right_value
    from events as e
    union all
    select 'behavior.peak_times' as derived, 'all' as item, 0 as left_value, e.events as right_value
    from events as e
    union all
    select 'behavior.peak_times' as derived, 'orders' as item, 0 as left_value, o.orders as right_value
    from orders as o
    union all
    select 'behavior.peak_times' as derived, 'net_sales' as item, 0 as left_value, l.net_sales as right_value
    from lines as l
    union all
    select 'behavior.daily' as derived, d.event_type as item, d.events as left_value, 0 as right_value
    from behavior.daily as d
    union all
    select 'behavior.daily' as derived, e.event_type as item, 0 as left_value, e.events as right_value
    from events as e
),

cells as (
    select
        p.event_type,
        count(*) as cells
    from behavior.peak_times as p
    group by p.event_type
),

final as (
    select
        a.derived,
        a.item,
        sum(a.left_value) as left_value,
        sum(a.right_value) as right_value,
        sum(a.left_value) - sum(a.right_value) as difference
    from amounts as a
    where a.item not in ('online_orders', 'online_net_sales')
    group by a.derived, a.item
    union all
    select
        'behavior.peak_times' as derived,
        c.event_type || ': cells' as item,
        c.cells as left_value,
        168 as right_value,
        c.cells - 168 as difference
    from cells as c
    where c.cells <> 168
)

select * from final
