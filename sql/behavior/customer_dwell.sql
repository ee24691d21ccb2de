-- One row per customer and category of which the customer viewed a product: how long they look at its pages.
-- Times as in behavior.page_dwell. Views of a device before its only customer logs in are the customer's.
with views as (
    select
        a.customer_id,
        a.category,
        a.dwell_seconds,
        a.dwell_is_capped
    from core.activity as a
    where a.event_type = 'view' and a.product_id is not null and a.customer_id is not null
),

counts as (
    select
        v.customer_id,
        v.category,
        count(*) as views,
        count(v.dwell_seconds) as measured_views,
        count(*) filter (where v.dwell_is_capped) as capped_views,
        coalesce(sum(v.dwell_seconds), 0) as total_seconds,
        percentile_cont(0.5) within group (order by v.dwell_seconds::double precision) as median_seconds,
        percentile_cont(0.9) within group (order by v.dwell_seconds::double precision) as p90_seconds
    from views as v
    group by v.customer_id, v.category
),

final as (
    select
        c.customer_id,
        c.category,
        c.views,
        c.measured_views,
        c.measured_views::double precision / nullif(c.views, 0) as coverage,
        c.capped_views,
        c.total_seconds,
        c.total_seconds::double precision / nullif(c.measured_views, 0) as mean_seconds,
        c.median_seconds,
        c.p90_seconds
    from counts as c
)

select * from final
