-- Which pages lose visitors?
-- The ten kinds of pages and the ten addresses (`level`) on which most visits end without a purchase.
-- `exit_rate` is the part of the visits that saw the page and ended on it, with its 95 % interval; a page on
-- which visits end after a purchase is a good end, so that `exits_without_purchase` decides. Pages with few
-- visits are left out. What stands in the visitors' way is answered by `usability_problems`.
with ranked as (
    select
        p.level,
        row_number() over (
            partition by p.level order by p.exits_without_purchase desc, p.page
        ) as rank,
        p.page,
        p.sessions,
        p.entries,
        p.exits,
        p.exits_without_purchase,
        p.exit_rate,
        p.ci_low,
        p.ci_high
    from behavior.entry_exit_pages as p
    where not p.low_n and p.exits_without_purchase > 0
),

final as (
    select
        r.level,
        r.rank,
        r.page,
        r.sessions,
        r.entries,
        r.exits,
        r.exits_without_purchase,
        r.exit_rate,
        r.ci_low,
        r.ci_high
    from ranked as r
    where r.rank <= 10
)

select * from final
order by level, rank
