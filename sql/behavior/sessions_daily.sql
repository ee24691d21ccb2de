-- One row per local day from the first visit to the as-of date: visits that began on it, and how they went. A
-- visit is a session without bots and belongs to the day of its first event, also where it goes on after
-- midnight. Days without visits are there, with zeros and without ratios. Median and visitors are of the day
-- alone and must not be added up or averaged; every ratio can be computed for longer spans from the two
-- columns that it divides.
with visits as (
    select
        v.session_date,
        v.visitor_id,
        v.customer_id,
        v.duration_seconds,
        v.events,
        v.visits + v.views as pages,
        v.views,
        v.carts,
        v.is_bounce,
        v.is_engaged,
        v.purchases,
        v.orders,
        v.net_sales
    from core.visits as v
),

first_visits as (
    select
        v.visitor_id,
        min(v.session_date) as first_visit_date
    from visits as v
    group by v.visitor_id
),

new_visitors as (
    select
        f.first_visit_date,
        count(*) as new_visitors
    from first_visits as f
    group by f.first_visit_date
),

constants as (
    select
        1.959964::double precision as z,
        min(f.first_visit_date) as begin_date
    from first_visits as f
),

spine as (
    select
        d.day,
        d.is_complete
    from core.calendar as d
    cross join core.clock as c
    cross join constants as k
    where d.day >= k.begin_date and d.day <= c.as_of_date
),

counts as (
    select
        v.session_date,
        count(*) as sessions,
        count(distinct v.visitor_id) as visitors,
        count(distinct v.customer_id) as customers,
        count(*) filter (where v.is_bounce) as bounces,
        count(*) filter (where v.is_engaged) as engaged_sessions,
        count(*) filter (where v.purchases > 0) as converted_sessions,
        sum(v.events) as events,
        sum(v.pages) as pages,
        sum(v.views) as views,
        sum(v.carts) as carts,
        sum(v.orders) as orders,
        sum(v.net_sales) as net_sales,
        sum(v.duration_seconds) as total_seconds,
        percentile_cont(0.5) within group (order by v.duration_seconds::double precision)
            as median_duration_seconds
    from visits as v
    group by v.session_date
),

filled as (
    select
        s.day,
        s.is_complete,
        coalesce(n.sessions, 0) as sessions,
        coalesce(n.visitors, 0) as visitors,
        coalesce(w.new_visitors, 0) as new_visitors,
        coalesce(n.customers, 0) as customers,
        coalesce(n.bounces, 0) as bounces,
        coalesce(n.engaged_sessions, 0) as engaged_sessions,
        coalesce(n.converted_sessions, 0) as converted_sessions,
        coalesce(n.events, 0) as events,
        coalesce(n.pages, 0) as pages,
        coalesce(n.views, 0) as views,
        coalesce(n.carts, 0) as carts,
        coalesce(n.orders, 0) as orders,
        coalesce(n.net_sales, 0) as net_sales,
        coalesce(n.total_seconds, 0) as total_seconds,
        n.median_duration_seconds,
        coalesce(n.sessions, 0)::double precision as n,
        coalesce(n.converted_sessions, 0)::double precision as k
    from spine as s
    left join counts as n on s.day = n.session_date
    left join new_visitors as w on s.day = w.first_visit_date
),

final as (
    select
        f.day,
        f.is_complete,
        f.sessions,
        f.visitors,
        f.new_visitors,
        f.customers,
        f.bounces,
        f.bounces / nullif(f.n, 0) as bounce_rate,
        f.engaged_sessions,
        f.engaged_sessions / nullif(f.n, 0) as engaged_rate,
        f.events,
        f.pages,
        f.pages / nullif(f.n, 0) as pages_per_session,
        f.views,
        f.carts,
        f.total_seconds,
        f.total_seconds / nullif(f.n, 0) as mean_duration_seconds,
        f.median_duration_seconds,
        f.converted_sessions,
        f.k / nullif(f.n, 0) as session_conversion,
        case
            when f.n > 0 then greatest(
                0,
                (2 * f.k + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * f.k * (f.n - f.k) / nullif(f.n, 0)))
                / nullif(2 * (f.n + c.z * c.z), 0)
            )
        end as ci_low,
        case
            when f.n > 0 then least(
                1,
                1 - (
                    2 * (f.n - f.k) + c.z * c.z
                    - c.z * sqrt(c.z * c.z + 4 * f.k * (f.n - f.k) / nullif(f.n, 0))
                ) / nullif(2 * (f.n + c.z * c.z), 0)
            )
        end as ci_high,
        f.orders,
        f.net_sales,
        k.currency
    from filled as f
    cross join constants as c
    cross join core.clock as k
)

select * from final
