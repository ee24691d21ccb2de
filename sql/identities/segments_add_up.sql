-- One row per table of segments and size that is compared: with the customers, with the scores, and with the
-- history.
with customers as (
    select count(*) as customers
    from core.customers as m
),

scored as (
    select
        r.customer_id,
        r.segment,
        r.first_order_date
    from customer.rfm as r
),

history as (
    select
        h.customer_id,
        h.segment,
        h.valid_from,
        h.valid_to,
        h.is_current
    from customer.segment_history as h
),

flows as (
    select
        m.snapshot_date,
        m.previous_snapshot_date,
        m.from_segment,
        m.to_segment,
        m.customers,
        m.movement
    from customer.segment_migration as m
),

snapshots as (
    select f.snapshot_date
    from flows as f
    union
    select f.previous_snapshot_date as snapshot_date
    from flows as f
),

sizes as (
    select
        s.snapshot_date,
        h.segment,
        count(*) as customers
    from snapshots as s
    inner join history as h
        on h.valid_from <= s.snapshot_date and s.snapshot_date <= coalesce(h.valid_to, s.snapshot_date)
    group by s.snapshot_date, h.segment
),

compared as (
    select
        'customer.rfm' as derived,
        'customers' as item,
        count(*) as left_value,
        0 as right_value
    from scored as s
    union all
    select 'customer.rfm' as derived, 'customers' as item, 0 as left_value, c.customers as right_value
    from customers as c
    union all
    select 'customer.rfm_segments' as derived, t.segment as item, t.customers as left_value, 0 as right_value
    from customer.rfm_segments as t
    union all
    select 'customer.rfm_segments' as derived, s.segment as item, 0 as left_value, count(*) as right_value
    from scored as s
    group by s.segment
    union all
    select
        'customer.segment_history' as derived,
        'customers whose current segment is that of their scores' as item,
        count(h.customer_id) as left_value,
        count(*) as right_value
    from scored as s
    left join history as h on s.customer_id = h.customer_id and s.segment = h.segment and h.is_current
    where s.first_order_date is not null
    union all
    select
        'customer.segment_history' as derived,
        'customers with a current segment' as item,
        count(*) as left_value,
        0 as right_value
    from history as h
    where h.is_current
    union all
    select
        'customer.segment_history' as derived,
        'customers with a current segment' as item,
        0 as left_value,
        count(*) as right_value
    from scored as s
    where s.first_order_date is not null
    union all
    select
        'customer.segment_migration' as derived,
        'into ' || f.to_segment || ' at ' || f.snapshot_date as item,
        f.customers as left_value,
        0 as right_value
    from flows as f
    union all
    select
        'customer.segment_migration' as derived,
        'into ' || s.segment || ' at ' || s.snapshot_date as item,
        0 as left_value,
        s.customers as right_value
    from sizes as s
    inner join (select distinct f.snapshot_date from flows as f) as t on s.snapshot_date = t.snapshot_date
    union all
    select
        'customer.segment_migration' as derived,
        'out of ' || f.from_segment || ' at ' || f.previous_snapshot_date as item,
        f.customers as left_value,
        0 as right_value
    from flows as f
    where f.movement <> 'joined'
    union all
    select
        'customer.segment_migration' as derived,
        'out of ' || s.segment || ' at ' || s.snapshot_date as item,
        0 as left_value,
        s.customers as right_value
    from sizes as s
    inner join (select distinct f.previous_snapshot_date from flows as f) as t
        on s.snapshot_date = t.previous_snapshot_date
),

final as (
    select
        c.derived,
        c.item,
        sum(c.left_value) as left_value,
        sum(c.right_value) as right_value,
        sum(c.left_value) - sum(c.right_value) as difference
    from compared as c
    group by c.derived, c.item
)

select * from final
