-- How long do people stay on product pages?
-- All product pages together, then the categories, then the ten products at which visitors look longest, by
-- the median. The last page of a visit has no measured time and counts in `views` alone, never as 0; very
-- long stays are cut to core.parameters.dwell_cap_seconds, because the tab was left open. Products with few
-- measured views are left out.
with ranked as (
    select
        d.scope,
        case d.scope when 'all' then 1 when 'category' then 2 else 3 end as sort_order,
        row_number() over (
            partition by d.scope order by d.median_seconds desc nulls last, d.measured_views desc, d.key
        ) as rank,
        d.key,
        d.product_name,
        d.category,
        d.views,
        d.measured_views,
        d.coverage,
        d.total_seconds,
        d.mean_seconds,
        d.median_seconds,
        d.p90_seconds,
        d.low_n
    from behavior.page_dwell as d
    where d.scope <> 'product' or not d.low_n
),

final as (
    select
        r.scope,
        r.rank,
        r.key,
        coalesce(r.product_name, r.key) as name,
        r.category,
        r.views,
        r.measured_views,
        r.coverage,
        r.total_seconds,
        r.mean_seconds,
        r.median_seconds,
        r.p90_seconds,
        r.low_n,
        r.sort_order
    from ranked as r
    where r.scope <> 'product' or r.rank <= 10
)

select * from final
order by sort_order, rank
