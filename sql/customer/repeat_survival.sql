-- One row per group of first orders and week since the first order: the share of the customers who have not
-- ordered again by then. Groups are by what was known on the day of the first order: its main category, and
-- whether it was discounted; `all` are all customers. Customers are followed for whole weeks from their first
-- order to the as-of date, at most 52, so that recent ones count as long as they could be watched (Kaplan &
-- Meier 1958): survival is the product over the weeks so far of 1 - buyers / at_risk. A second order on the day
-- of the first falls in week 1. The hazard is the part of those still at risk who order in the week: where it
-- is highest, a reminder is due. The interval is Greenwood's (1926) on the scale of log(-log).
with clock as (
    select
        c.as_of_date,
        p.min_group_size,
        52 as last_week,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

traits as (
    select
        t.order_id,
        t.main_category,
        t.is_discounted
    from kpi.order_traits as t
),

orders as (
    select
        o.order_id,
        o.customer_id,
        o.order_date,
        o.order_number,
        o.days_since_previous_order
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date and o.order_number <= 2
),

seconds as (
    select
        o.customer_id,
        o.days_since_previous_order as days_to_second
    from orders as o
    where o.order_number = 2
),

followed as (
    select
        t.main_category,
        t.is_discounted,
        least((c.as_of_date - o.order_date) / 7, c.last_week) as watched_weeks,
        s.days_to_second / 7 + 1 as second_week
    from orders as o
    cross join clock as c
    inner join traits as t on o.order_id = t.order_id
    left join seconds as s on o.customer_id = s.customer_id
    where o.order_number = 1
),

ends as (
    select
        f.main_category,
        f.is_discounted,
        least(f.watched_weeks, coalesce(f.second_week, f.watched_weeks)) as end_week,
        count(*) as customers,
        count(*) filter (where f.second_week <= f.watched_weeks) as buyers
    from followed as f
    group by f.main_category, f.is_discounted, least(f.watched_weeks, coalesce(f.second_week, f.watched_weeks))
),

scoped as (
    select
        'all' as scope,
        'all' as key,
        e.end_week,
        e.customers,
        e.buyers
    from ends as e
    union all
    select
        'main_category' as scope,
        coalesce(e.main_category, 'Unknown') as key,
        e.end_week,
        e.customers,
        e.buyers
    from ends as e
    union all
    select
        'discount' as scope,
        case when e.is_discounted then 'discounted' else 'full price' end as key,
        e.end_week,
        e.customers,
        e.buyers
    from ends as e
),

totals as (
    select
        s.scope,
        s.key,
        sum(s.customers) as customers
    from scoped as s
    group by s.scope, s.key
),

weeks as (
    select
        m.scope,
        m.key,
        m.customers,
        w.week
    from totals as m
    cross join clock as c
    cross join lateral generate_series(1, c.last_week) as w(week)
),

risks as (
    select
        w.scope,
        w.key,
        w.customers,
        w.week,
        coalesce(sum(s.customers), 0) as at_risk,
        coalesce(sum(s.buyers) filter (where s.end_week = w.week), 0) as buyers
    from weeks as w
    left join scoped as s on w.scope = s.scope and w.key = s.key and w.week <= s.end_week
    group by w.scope, w.key, w.customers, w.week
),

hazards as (
    select
        r.scope,
        r.key,
        r.customers,
        r.week,
        r.at_risk,
        r.buyers,
        case when r.buyers < r.at_risk then ln(1 - r.buyers::double precision / nullif(r.at_risk, 0)) end
            as log_stay,
        case
            when r.buyers < r.at_risk
                then r.buyers::double precision
                    / nullif(r.at_risk::double precision * (r.at_risk - r.buyers), 0)
        end as variance
    from risks as r
),

-- products as sums of logarithms, in the order of the weeks
curves as (
    select
        h.scope,
        h.key,
        h.customers,
        h.week,
        h.at_risk,
        h.buyers,
        sum(b.log_stay order by b.week) as log_survival,
        sum(b.variance order by b.week) as variance,
        bool_or(b.at_risk = 0) as is_unknown,
        bool_or(b.at_risk > 0 and b.at_risk = b.buyers) as is_over
    from hazards as h
    inner join hazards as b on h.scope = b.scope and h.key = b.key and b.week <= h.week
    group by h.scope, h.key, h.customers, h.week, h.at_risk, h.buyers
),

estimates as (
    select
        u.scope,
        u.key,
        u.customers,
        u.week,
        u.at_risk,
        u.buyers,
        case when u.is_over then 0 when not u.is_unknown then exp(u.log_survival) end as survival,
        case when not u.is_over and not u.is_unknown and u.log_survival < 0 then u.log_survival end
            as log_survival,
        c.z * sqrt(u.variance) / nullif(-u.log_survival, 0) as half,
        u.customers < c.min_group_size as low_n
    from curves as u
    cross join clock as c
),

medians as (
    select
        e.scope,
        e.key,
        min(e.week) filter (where e.survival <= 0.5) as median_weeks
    from estimates as e
    group by e.scope, e.key
),

final as (
    select
        e.scope,
        e.key,
        e.week,
        e.customers,
        e.at_risk,
        e.buyers,
        e.buyers::double precision / nullif(e.at_risk, 0) as hazard,
        e.survival,
        case
            when e.log_survival is not null
                then exp(greatest(e.log_survival * exp(greatest(e.half, -700)), -700))
        end as ci_low,
        case
            when e.log_survival is not null
                then exp(greatest(e.log_survival * exp(greatest(-e.half, -700)), -700))
        end as ci_high,
        1 - e.survival as share_back,
        m.median_weeks,
        e.low_n
    from estimates as e
    inner join medians as m on e.scope = m.scope and e.key = m.key
)

select * from final
