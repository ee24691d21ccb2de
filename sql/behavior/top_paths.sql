-- One row per level and path, the hundred most frequent of each: how visits begin, and how often they end in
-- a purchase. A path is the first five different steps of a visit, by kind of event or by kind of page (where
-- the tracker sends it); the same step several times in a row is one. `EXIT` closes a path that is the whole
-- visit; without it the visit went on. Every visit has exactly one path per level, so that the sessions of a
-- level can be added up.
with events as (
    select
        a.session_id,
        a.event_id,
        a.event_type,
        case when a.page_type in ('START', 'EXIT') then lower(a.page_type) else a.page_type end as page_type,
        a.step_rank,
        a.occurred_at
    from core.activity as a
    where a.session_id is not null
),

event_numbered as (
    select
        e.session_id,
        e.event_type as state,
        lag(e.event_type) over w as previous_state,
        row_number() over w as place
    from events as e
    window w as (partition by e.session_id order by e.occurred_at, e.step_rank, e.event_id)
),

event_changes as (
    select
        n.session_id,
        n.state,
        row_number() over (partition by n.session_id order by n.place) as step
    from event_numbered as n
    where n.previous_state is null or n.state <> n.previous_state
),

page_numbered as (
    select
        e.session_id,
        e.page_type as state,
        lag(e.page_type) over w as previous_state,
        row_number() over w as place
    from events as e
    where e.page_type is not null
    window w as (partition by e.session_id order by e.occurred_at, e.step_rank, e.event_id)
),

page_changes as (
    select
        n.session_id,
        n.state,
        row_number() over (partition by n.session_id order by n.place) as step
    from page_numbered as n
    where n.previous_state is null or n.state <> n.previous_state
),

steps as (
    select
        'event_type' as level,
        c.session_id,
        max(c.state) filter (where c.step = 1) as step_1,
        max(c.state) filter (where c.step = 2) as step_2,
        max(c.state) filter (where c.step = 3) as step_3,
        max(c.state) filter (where c.step = 4) as step_4,
        max(c.state) filter (where c.step = 5) as step_5,
        least(max(c.step), 5) as length,
        max(c.step) <= 5 as is_whole
    from event_changes as c
    where c.step <= 6
    group by c.session_id
    union all
    select
        'page_type' as level,
        c.session_id,
        max(c.state) filter (where c.step = 1) as step_1,
        max(c.state) filter (where c.step = 2) as step_2,
        max(c.state) filter (where c.step = 3) as step_3,
        max(c.state) filter (where c.step = 4) as step_4,
        max(c.state) filter (where c.step = 5) as step_5,
        least(max(c.step), 5) as length,
        max(c.step) <= 5 as is_whole
    from page_changes as c
    where c.step <= 6
    group by c.session_id
),

visits as (
    select
        v.session_id,
        v.purchases > 0 as is_converted
    from core.visits as v
),

begun as (
    select
        s.level,
        s.step_1,
        s.step_2,
        s.step_3,
        s.step_4,
        s.step_5,
        s.length,
        s.is_whole,
        count(*) as sessions,
        count(*) filter (where v.is_converted) as converted_sessions
    from steps as s
    inner join visits as v on s.session_id = v.session_id
    group by s.level, s.step_1, s.step_2, s.step_3, s.step_4, s.step_5, s.length, s.is_whole
),

paths as (
    select
        b.level,
        concat_ws(
            ' > ', b.step_1, b.step_2, b.step_3, b.step_4, b.step_5, case when b.is_whole then 'EXIT' end
        ) as path,
        b.length,
        b.is_whole,
        b.sessions,
        b.converted_sessions
    from begun as b
),

counts as (
    select
        p.level,
        p.path,
        p.length,
        p.is_whole,
        sum(p.sessions) as sessions,
        sum(p.converted_sessions) as converted_sessions
    from paths as p
    group by p.level, p.path, p.length, p.is_whole
),

ranked as (
    select
        c.level,
        c.path,
        c.length,
        c.is_whole,
        c.sessions,
        c.converted_sessions,
        sum(c.sessions) over (partition by c.level) as all_sessions,
        row_number() over (partition by c.level order by c.sessions desc, c.path, c.length) as rank,
        c.sessions::double precision as n,
        c.converted_sessions::double precision as k
    from counts as c
),

constants as (
    select
        1.959964::double precision as z,
        p.min_group_size
    from core.parameters as p
),

final as (
    select
        r.level,
        r.rank,
        r.path,
        r.length,
        r.is_whole,
        r.sessions,
        r.all_sessions,
        r.n / nullif(r.all_sessions, 0) as share,
        r.converted_sessions,
        r.k / nullif(r.n, 0) as session_conversion,
        greatest(
            0,
            (2 * r.k + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0)))
            / nullif(2 * (r.n + c.z * c.z), 0)
        ) as ci_low,
        least(
            1,
            1 - (
                2 * (r.n - r.k) + c.z * c.z
                - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0))
            ) / nullif(2 * (r.n + c.z * c.z), 0)
        ) as ci_high,
        r.sessions < c.min_group_size as low_n
    from ranked as r
    cross join constants as c
    where r.rank <= 100
)

select * from final
