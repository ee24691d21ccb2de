-- One row per snapshot, segment before and segment after: how many customers went from the one to the other.
-- Snapshots are those of `customer.segment_history`: each month's end and the as-of date; the first has none
-- before it and does not stand here. Every pair of segments stands here, with 0 where nobody went that way.
-- Customers whose first order lies between the two snapshots come from `Not yet a customer`. `share` is of
-- all who left from the same segment. A win-back leads from a segment that `core.rfm_grid` calls lapsing
-- upwards into one that is not: among those four, ranks can change without a purchase, because the others
-- change.
with history as (
    select
        h.valid_from as snapshot_date,
        h.previous_segment,
        h.segment,
        count(*) as customers
    from customer.segment_history as h
    group by h.valid_from, h.previous_segment, h.segment
),

grid as (
    select
        g.segment,
        min(g.segment_rank) as segment_rank,
        bool_or(g.is_lapsing) as is_lapsing,
        bool_or(g.cell = 'not yet a customer') as is_outside,
        bool_or(g.recency_score is not null) as is_in_grid
    from core.rfm_grid as g
    group by g.segment
),

segments as (
    select
        g.segment,
        g.is_outside
    from grid as g
    where g.is_in_grid or g.is_outside or g.segment in (select h.segment from history as h)
),

dates as (
    select least((g.month + interval '1 month')::date - 1, c.as_of_date) as snapshot_date
    from (select date_trunc('month', min(h.snapshot_date))::date as first_month from history as h) as f
    cross join core.clock as c
    cross join lateral generate_series(f.first_month, c.as_of_date, interval '1 month') as g(month)
),

snapshots as (
    select
        d.snapshot_date,
        lag(d.snapshot_date) over (order by d.snapshot_date) as previous_snapshot_date
    from dates as d
),

moves as (
    select
        h.snapshot_date,
        coalesce(h.previous_segment, g.segment) as from_segment,
        h.segment as to_segment,
        h.customers
    from history as h
    inner join grid as g on g.is_outside
),

changes as (
    select
        m.snapshot_date,
        m.to_segment as segment,
        m.customers as arrived,
        0 as departed
    from moves as m
    union all
    select
        m.snapshot_date,
        m.from_segment as segment,
        0 as arrived,
        m.customers as departed
    from moves as m
    union all
    select
        t.snapshot_date,
        s.segment,
        0 as arrived,
        0 as departed
    from snapshots as t
    cross join segments as s
),

sizes as (
    select
        c.snapshot_date,
        c.segment,
        sum(c.departed) as departed,
        sum(sum(c.arrived - c.departed)) over (
            partition by c.segment order by c.snapshot_date rows between unbounded preceding and 1 preceding
        ) as previous_customers
    from changes as c
    group by c.snapshot_date, c.segment
),

flows as (
    select
        m.snapshot_date,
        m.from_segment,
        m.to_segment,
        m.customers
    from moves as m
    union all
    select
        z.snapshot_date,
        z.segment as from_segment,
        z.segment as to_segment,
        z.previous_customers - z.departed as customers
    from sizes as z
    inner join segments as s on z.segment = s.segment and not s.is_outside
    union all
    select
        t.snapshot_date,
        f.segment as from_segment,
        s.segment as to_segment,
        0 as customers
    from snapshots as t
    cross join segments as f
    cross join segments as s
    where not s.is_outside
),

summed as (
    select
        f.snapshot_date,
        f.from_segment,
        f.to_segment,
        sum(f.customers) as customers,
        sum(sum(f.customers)) over (partition by f.snapshot_date, f.from_segment) as from_customers,
        sum(sum(f.customers)) over (partition by f.snapshot_date, f.to_segment) as to_customers
    from flows as f
    group by f.snapshot_date, f.from_segment, f.to_segment
),

final as (
    select
        s.snapshot_date,
        t.previous_snapshot_date,
        date_trunc('month', s.snapshot_date + 1)::date = s.snapshot_date + 1 as is_whole_month,
        s.from_segment,
        s.to_segment,
        case
            when s.from_segment = s.to_segment then 'stayed'
            when a.is_outside then 'joined'
            when a.segment_rank < b.segment_rank then 'up'
            when a.segment_rank > b.segment_rank then 'down'
            else 'unranked'
        end as movement,
        coalesce(a.is_lapsing and not b.is_lapsing and a.segment_rank < b.segment_rank, false) as is_win_back,
        s.customers,
        s.from_customers,
        s.to_customers,
        s.customers::double precision / nullif(s.from_customers, 0) as share,
        s.from_customers < p.min_group_size as low_n
    from summed as s
    cross join core.parameters as p
    inner join snapshots as t on s.snapshot_date = t.snapshot_date and t.previous_snapshot_date is not null
    left join grid as a on s.from_segment = a.segment
    left join grid as b on s.to_segment = b.segment
)

select * from final
