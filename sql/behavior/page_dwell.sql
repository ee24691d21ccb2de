-- One row per product, per category and for all products together (`scope`), with at least one view: how long
-- visitors look at a product page. The time on a page is what the tracker measured, else the time until the
-- next event of the session, at most core.parameters.dwell_cap_seconds; the last page of a session has none
-- and counts in `views` alone, never as 0. Mean, median and 90 % quantile are of the measured views; views of
-- no known product are left out.
with views as (
    select
        a.product_id,
        a.category,
        a.dwell_seconds,
        a.dwell_is_capped
    from core.activity as a
    where a.event_type = 'view' and a.product_id is not null
),

scoped as (
    select
        'product' as scope,
        v.product_id as key,
        v.dwell_seconds,
        v.dwell_is_capped
    from views as v
    union all
    select
        'category' as scope,
        v.category as key,
        v.dwell_seconds,
        v.dwell_is_capped
    from views as v
    union all
    select
        'all' as scope,
        'all' as key,
        v.dwell_seconds,
        v.dwell_is_capped
    from views as v
),

counts as (
    select
        s.scope,
        s.key,
        count(*) as views,
        count(s.dwell_seconds) as measured_views,
        count(*) filter (where s.dwell_is_capped) as capped_views,
        coalesce(sum(s.dwell_seconds), 0) as total_seconds,
        percentile_cont(0.5) within group (order by s.dwell_seconds::double precision) as median_seconds,
        percentile_cont(0.9) within group (order by s.dwell_seconds::double precision) as p90_seconds
    from scoped as s
    group by s.scope, s.key
),

names as (
    select
        p.product_id,
        p.product_name,
        p.category
    from core.products as p
),

final as (
    select
        c.scope,
        c.key,
        n.product_name,
        case c.scope when 'product' then n.category when 'category' then c.key end as category,
        c.views,
        c.measured_views,
        c.measured_views::double precision / nullif(c.views, 0) as coverage,
        c.capped_views,
        c.total_seconds,
        c.total_seconds::double precision / nullif(c.measured_views, 0) as mean_seconds,
        c.median_seconds,
        c.p90_seconds,
        c.measured_views < p.min_group_size as low_n
    from counts as c
    cross join core.parameters as p
    left join names as n on c.scope = 'product' and c.key = n.product_id
)

select * from final
