-- One row for all sessions, and one per session that stands in more than one month. (Events need no such row:
-- their keys are those of interactions and sales lines.)
with keys as (
    select
        s.session_id as item,
        count(*) as times
    from core.sessions as s
    group by s.session_id
),

final as (
    select
        'core.sessions' as derived,
        'all keys' as item,
        coalesce(sum(k.times), 0) as left_value,
        count(*) as right_value,
        coalesce(sum(k.times), 0) - count(*) as difference
    from keys as k
    union all
    select
        'core.sessions' as derived,
        k.item,
        k.times as left_value,
        1 as right_value,
        k.times - 1 as difference
    from keys as k
    where k.times > 1
)

select * from final
