-- One row per level and path, the hundred most frequent of each: how visits begin, and how often they end in
-- a purchase. A path is the first five different steps of a visit, by kind of event or by kind of page (where
-- the tracker sends it); the same step several times in a row is one. `EXIT` closes a path that is the whole
-- visit; without it the visit went on. Every visit has exactly one path per level, so that the sessions of a
-- level can be added up.
with events as (
    select
        e.visit_number,
        e.step,
        e.event_type_number,
        e.previous_event_type_number,
        e.page_state_number,
        e.previous_page_state_number
    from behavior.event_sequences as e
),

event_changes as (
    select
        e.visit_number,
        e.event_type_number as state,
        row_number() over (partition by e.visit_number order by e.step) as step
    from events as e
    where e.previous_event_type_number is distinct from e.event_type_number
),

page_changes as (
    select
        e.visit_number,
        e.page_state_number as state,
        row_number() over (partition by e.visit_number order by e.step) as step
    from events as e
    where e.page_state_number is not null
        and e.previous_page_state_number is distinct from e.page_state_number
),

event_steps as (
    select
        c.visit_number,
        max(c.state) filter (where c.step = 1) as step_1,
        max(c.state) filter (where c.step = 2) as step_2,
        max(c.state) filter (where c.step = 3) as step_3,
        max(c.state) filter (where c.step = 4) as step_4,
        max(c.state) filter (where c.step = 5) as step_5,
        max(c.step) as steps
    from event_changes as c
    where c.step <= 6
    group by c.visit_number
),

page_steps as (
    select
        c.visit_number,
        max(c.state) filter (where c.step = 1) as step_1,
        max(c.state) filter (where c.step = 2) as step_2,
        max(c.state) filter (where c.step = 3) as step_3,
        max(c.state) filter (where c.step = 4) as step_4,
        max(c.state) filter (where c.step = 5) as step_5,
        max(c.step) as steps
    from page_changes as c
    where c.step <= 6
    group by c.visit_number
),

visits as (
    select
        v.visit_number,
        v.is_converted
    from behavior.numbered_visits as v
),

begun as (
    select
        'event_type' as level,
        s.step_1,
        s.step_2,
        s.step_3,
        s.step_4,
        s.step_5,
        s.steps,
        count(*) as sessions,
        count(*) filter (where v.is_converted) as converted_sessions
    from event_steps as s
    inner join visits as v on s.visit_number = v.visit_number
    group by s.step_1, s.step_2, s.step_3, s.step_4, s.step_5, s.steps
    union all
    select
        'page_type' as level,
        s.step_1,
        s.step_2,
        s.step_3,
        s.step_4,
        s.step_5,
        s.steps,
        count(*) as sessions,
        count(*) filter (where v.is_converted) as converted_sessions
    from page_steps as s
    inner join visits as v on s.visit_number = v.visit_number
    group by s.step_1, s.step_2, s.step_3, s.step_4, s.step_5, s.steps
),

states as (
    select
        n.level,
        n.number,
        n.state
    from behavior.numbered_names as n
    where n.number = n.state_number
),

paths as (
    select
        b.level,
        concat_ws(
            ' > ',
            s1.state,
            s2.state,
            s3.state,
            s4.state,
            s5.state,
            case when b.steps <= 5 then 'EXIT' end
        ) as path,
        least(b.steps, 5) as length,
        b.steps <= 5 as is_whole,
        b.sessions,
        b.converted_sessions
    from begun as b
    left join states as s1 on b.level = s1.level and b.step_1 = s1.number
    left join states as s2 on b.level = s2.level and b.step_2 = s2.number
    left join states as s3 on b.level = s3.level and b.step_3 = s3.number
    left join states as s4 on b.level = s4.level and b.step_4 = s4.number
    left join states as s5 on b.level = s5.level and b.step_5 = s5.number
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
