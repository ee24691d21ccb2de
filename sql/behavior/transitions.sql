-- One row per level, state and next state: what visitors do after what, within their visits. Level
-- `event_type` has the kinds of events as states; level `page_type` the kinds of pages, where the tracker
-- sends them (events without one are skipped; beyond the twenty most frequent they are `other`). Every visit
-- goes from `START` to `EXIT`; repeated states are kept. Pairs that never occurred are there with 0, so that
-- the rows of one state form a whole line of the matrix and their probabilities sum to 1.
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

page_types as (
    select
        e.page_type,
        row_number() over (order by count(*) desc, e.page_type) as place
    from events as e
    where e.page_type is not null
    group by e.page_type
),

event_steps as (
    select
        e.event_type as state,
        lag(e.event_type) over w as previous_state,
        e.occurred_at - lag(e.occurred_at) over w as elapsed
    from events as e
    window w as (partition by e.session_id order by e.occurred_at, e.step_rank, e.event_id)
),

pages as (
    select
        e.session_id,
        e.event_id,
        case when t.place <= 20 then e.page_type else 'other' end as page_type,
        e.step_rank,
        e.occurred_at
    from events as e
    inner join page_types as t on e.page_type = t.page_type
),

page_steps as (
    select
        p.page_type as state,
        lag(p.page_type) over w as previous_state,
        p.occurred_at - lag(p.occurred_at) over w as elapsed
    from pages as p
    window w as (partition by p.session_id order by p.occurred_at, p.step_rank, p.event_id)
),

entered as (
    select
        'event_type' as level,
        coalesce(s.previous_state, 'START') as from_state,
        s.state as to_state,
        count(*) as transitions,
        percentile_cont(0.5) within group (order by extract(epoch from s.elapsed)::double precision)
            as median_seconds
    from event_steps as s
    group by coalesce(s.previous_state, 'START'), s.state
    union all
    select
        'page_type' as level,
        coalesce(s.previous_state, 'START') as from_state,
        s.state as to_state,
        count(*) as transitions,
        percentile_cont(0.5) within group (order by extract(epoch from s.elapsed)::double precision)
            as median_seconds
    from page_steps as s
    group by coalesce(s.previous_state, 'START'), s.state
),

came as (
    select
        e.level,
        e.to_state as state,
        sum(e.transitions) as transitions
    from entered as e
    group by e.level, e.to_state
),

went as (
    select
        e.level,
        e.from_state as state,
        sum(e.transitions) as transitions
    from entered as e
    group by e.level, e.from_state
),

pairs as (
    select
        e.level,
        e.from_state,
        e.to_state,
        e.transitions,
        e.median_seconds
    from entered as e
    union all
    select
        c.level,
        c.state as from_state,
        'EXIT' as to_state,
        c.transitions - coalesce(w.transitions, 0) as transitions,
        null as median_seconds
    from came as c
    left join went as w on c.level = w.level and c.state = w.state
),

matrix as (
    select
        f.level,
        f.from_state,
        t.to_state
    from (select distinct p.level, p.from_state from pairs as p) as f
    inner join (select distinct p.level, p.to_state from pairs as p) as t on f.level = t.level
    where f.from_state <> 'START' or t.to_state <> 'EXIT'
),

filled as (
    select
        m.level,
        m.from_state,
        m.to_state,
        coalesce(p.transitions, 0) as transitions,
        sum(coalesce(p.transitions, 0)) over (partition by m.level, m.from_state) as from_total,
        p.median_seconds
    from matrix as m
    left join pairs as p on m.level = p.level and m.from_state = p.from_state and m.to_state = p.to_state
),

constants as (
    select
        1.959964::double precision as z,
        p.min_group_size
    from core.parameters as p
),

numbers as (
    select
        f.level,
        f.from_state,
        f.to_state,
        f.transitions,
        f.from_total,
        f.median_seconds,
        f.transitions::double precision as k,
        f.from_total::double precision as n
    from filled as f
),

final as (
    select
        f.level,
        f.from_state,
        f.to_state,
        f.transitions,
        f.from_total,
        f.k / nullif(f.n, 0) as probability,
        greatest(
            0,
            (2 * f.k + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * f.k * (f.n - f.k) / nullif(f.n, 0)))
            / nullif(2 * (f.n + c.z * c.z), 0)
        ) as ci_low,
        least(
            1,
            1 - (
                2 * (f.n - f.k) + c.z * c.z
                - c.z * sqrt(c.z * c.z + 4 * f.k * (f.n - f.k) / nullif(f.n, 0))
            ) / nullif(2 * (f.n + c.z * c.z), 0)
        ) as ci_high,
        f.median_seconds,
        f.from_total < c.min_group_size as low_n
    from numbers as f
    cross join constants as c
)

select * from final
