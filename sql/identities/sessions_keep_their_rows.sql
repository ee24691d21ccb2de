-- One row for each of the two views that merge events and sessions with their attributes: its rows against
-- those of what it is made of, up to the as-of date and without known robots.
with bots as (
    select d.device_id
    from core.devices as d
    where d.is_bot
),

doors as (
    select s.store_id
    from core.stores as s
    where s.channel = 'store'
),

expected as (
    select
        'core.visits' as derived,
        count(*) as items
    from core.sessions as s
    inner join core.clock as k on s.session_date <= k.as_of_date
    left join bots as b on s.device_id = b.device_id
    where b.device_id is null
    union all
    select
        'core.activity' as derived,
        count(*) as items
    from core.events as e
    inner join core.clock as k on e.occurred_date <= k.as_of_date
    left join bots as b on e.device_id = b.device_id
    left join doors as d on e.store_id = d.store_id and e.event_source = 'sale'
    where b.device_id is null and d.store_id is null
),

found as (
    select
        'core.visits' as derived,
        count(v.session_id) as items
    from core.visits as v
    union all
    select
        'core.activity' as derived,
        count(a.event_id) as items
    from core.activity as a
),

final as (
    select
        f.derived,
        'rows' as item,
        f.items as left_value,
        e.items as right_value,
        f.items - e.items as difference
    from found as f
    inner join expected as e on f.derived = e.derived
)

select * from final
