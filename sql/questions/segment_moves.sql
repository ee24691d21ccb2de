-- How did customers move between segments?
-- The twenty largest moves from the RFM segments of the last month's end to those of the as-of date, and
-- nobody who stayed. `share` is of all who were in the segment before; customers whose first order came in
-- between are `Not yet a customer` before. `up` and `down` go by the rank of the segments in core.rfm_grid; a
-- win-back leads out of a lapsing segment. Segments are relative: who does nothing sinks when others buy.
with moves as (
    select
        m.snapshot_date,
        m.previous_snapshot_date,
        m.from_segment,
        m.to_segment,
        m.movement,
        m.is_win_back,
        m.customers,
        m.from_customers,
        m.share,
        m.low_n
    from customer.segment_migration as m
),

last_snapshot as (
    select max(m.snapshot_date) as snapshot_date
    from moves as m
),

ranked as (
    select
        row_number() over (order by m.customers desc, m.from_segment, m.to_segment) as rank,
        m.from_segment,
        m.to_segment,
        m.movement,
        m.is_win_back,
        m.customers,
        m.from_customers,
        m.share,
        m.previous_snapshot_date,
        m.snapshot_date,
        m.low_n
    from moves as m
    inner join last_snapshot as l on m.snapshot_date = l.snapshot_date
    where m.movement <> 'stayed' and m.customers > 0
),

final as (
    select
        r.rank,
        r.from_segment,
        r.to_segment,
        r.movement,
        r.is_win_back,
        r.customers,
        r.from_customers,
        r.share,
        r.previous_snapshot_date,
        r.snapshot_date,
        r.low_n
    from ranked as r
    where r.rank <= 20
)

select * from final
order by rank
