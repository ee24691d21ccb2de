-- One row per level, state and next state: what visitors do after what, within their visits. Level
-- `event_type` has the kinds of events as states; level `page_type` the kinds of pages, where the tracker
-- sends them (events without one are skipped; beyond the twenty most frequent they are `other`). Every visit
-- goes from `START` to `EXIT`; repeated states are kept. Pairs that never occurred are there with 0, so that
-- the rows of one state form a whole line of the matrix and their probabilities sum to 1.
with names as (
    select
        n.level,
        n.number,
        n.state
    from behavior.numbered_names as n
    where n.number = n.state_number
),

events as (
    select
        e.event_type_number,
        e.previous_event_type_number,
        e.page_state_number,
        e.previous_page_state_number,
        e.occurred_at - e.previous_at as elapsed,
        e.occurred_at - e.previous_page_at as page_elapsed
    from behavior.event_sequences as e
),

page_types as (
    select
        e.page_state_number,
        row_number() over (order by count(*) desc, n.state) as place
    from events as e
    inner join names as n on e.page_state_number = n.number and n.level = 'page_type'
    group by e.page_state_number, n.state
),

states as (
    select
        n.level,
        n.number,
        n.state
    from names as n
    where n.level = 'event_type'
    union all
    select
        n.level,
        n.number,
        case when t.place <= 20 then n.state else 'other' end as state
    from names as n
    inner join page_types as t on n.number = t.page_state_number
    where n.level = 'page_type'
),

entered as (
    select
        t.level,
        coalesce(f.state, 'START') as from_state,
        t.state as to_state,
        count(*) as transitions,
        percentile_cont(0.5) within group (order by extract(epoch from e.elapsed)::double precision)
            as median_seconds
    from events as e
    inner join states as t on e.event_type_number = t.number and t.level = 'event_type'
    left join states as f on e.previous_event_type_number = f.number and f.level = 'event_type'
    group by t.level, coalesce(f.state, 'START'), t.state
    union all
    select
        t.level,
        coalesce(f.state, 'START') as from_state,
        t.state as to_state,
        count(*) as transitions,
        percentile_cont(0.5) within group (order by extract(epoch from e.page_elapsed)::double precision)
            as median_seconds
    from events as e
    inner join states as t on e.page_state_number = t.number and t.level = 'page_type'
    left join states as f on e.previous_page_state_number = f.number and f.level = 'page_type'
    group by t.level, coalesce(f.state, 'START'), t.state
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
