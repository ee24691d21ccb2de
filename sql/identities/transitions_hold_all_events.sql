-- One row for all transitions between kinds of events, which are as many as the events of visits, for the
-- beginnings and ends, which are as many as the visits, and for the paths, of which every visit has one; and
-- one per level and state whose probabilities do not add up to 1 within what twelve digits allow.
with events as (
    select
        count(*) as events,
        count(distinct a.session_id) as sessions
    from core.activity as a
    inner join core.visits as v on a.session_id = v.session_id
),

transitions as (
    select
        coalesce(sum(t.transitions) filter (where t.to_state <> 'EXIT'), 0) as steps,
        coalesce(sum(t.transitions) filter (where t.from_state = 'START'), 0) as starts,
        coalesce(sum(t.transitions) filter (where t.to_state = 'EXIT'), 0) as exits
    from behavior.transitions as t
    where t.level = 'event_type'
),

paths as (
    select coalesce(max(p.all_sessions), 0) as sessions
    from behavior.top_paths as p
    where p.level = 'event_type'
),

lines as (
    select
        t.level,
        t.from_state,
        sum(t.probability::numeric(18, 12)) as probability
    from behavior.transitions as t
    group by t.level, t.from_state
),

compared as (
    select 'behavior.transitions' as derived, 'steps' as item, t.steps as left_value, e.events as right_value
    from transitions as t
    cross join events as e
    union all
    select
        'behavior.transitions' as derived,
        'starts' as item,
        t.starts as left_value,
        e.sessions as right_value
    from transitions as t
    cross join events as e
    union all
    select
        'behavior.transitions' as derived,
        'exits' as item,
        t.exits as left_value,
        e.sessions as right_value
    from transitions as t
    cross join events as e
    union all
    select
        'behavior.top_paths' as derived,
        'visits' as item,
        p.sessions as left_value,
        e.sessions as right_value
    from paths as p
    cross join events as e
),

final as (
    select
        c.derived,
        c.item,
        c.left_value,
        c.right_value,
        c.left_value - c.right_value as difference
    from compared as c
    union all
    select
        'behavior.transitions' as derived,
        l.level || ' ' || l.from_state as item,
        l.probability as left_value,
        1 as right_value,
        1 as difference
    from lines as l
    where abs(l.probability - 1) > 0.000000001
)

select * from final
