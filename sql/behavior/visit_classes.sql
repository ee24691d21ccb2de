-- One row per class of visit frequency, always all six: how many visitors it has, and what they bring. A
-- buyer is a visitor with at least one visit that ended in a purchase; `ci_low` and `ci_high` bound
-- `buyer_rate`.
with visitors as (
    select
        v.visit_class,
        v.customer_id,
        v.sessions,
        v.converted_sessions,
        v.orders,
        v.net_sales,
        v.median_days_between
    from behavior.visitors as v
),

classes as (
    select
        c.visit_class,
        c.sort_order
    from (
        values ('single', 1), ('lapsed', 2), ('occasional', 3), ('regular', 4), ('frequent', 5), ('heavy', 6)
    ) as c(visit_class, sort_order)
),

counts as (
    select
        v.visit_class,
        count(*) as visitors,
        count(v.customer_id) as customers,
        count(*) filter (where v.converted_sessions > 0) as buyers,
        sum(v.sessions) as sessions,
        sum(v.orders) as orders,
        sum(v.net_sales) as net_sales,
        percentile_cont(0.5) within group (order by v.median_days_between) as median_days_between
    from visitors as v
    group by v.visit_class
),

filled as (
    select
        c.visit_class,
        c.sort_order,
        coalesce(n.visitors, 0) as visitors,
        coalesce(n.customers, 0) as customers,
        coalesce(n.buyers, 0) as buyers,
        coalesce(n.sessions, 0) as sessions,
        coalesce(n.orders, 0) as orders,
        coalesce(n.net_sales, 0) as net_sales,
        n.median_days_between,
        coalesce(n.visitors, 0)::double precision as n,
        coalesce(n.buyers, 0)::double precision as k
    from classes as c
    left join counts as n on c.visit_class = n.visit_class
),

constants as (
    select
        1.959964::double precision as z,
        p.min_group_size
    from core.parameters as p
),

final as (
    select
        f.visit_class,
        f.sort_order,
        f.visitors,
        f.visitors::double precision / nullif(sum(f.visitors) over (), 0) as share,
        f.customers,
        f.sessions,
        f.sessions::double precision / nullif(sum(f.sessions) over (), 0) as session_share,
        f.median_days_between,
        f.buyers,
        f.k / nullif(f.n, 0) as buyer_rate,
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
        k.currency,
        f.visitors < c.min_group_size as low_n
    from filled as f
    cross join constants as c
    cross join core.clock as k
)

select * from final
