-- One row per category (or all goods) and day since the first view of a product:
-- the share of its viewers who have not bought it by then. A viewer is a visitor and a product, a purchase is
-- the first one at or after the first view. Viewers are followed for whole days of 24 hours, up to the
-- look-back or the end of the as-of date, so that those of the last weeks count as long as they could be
-- watched (Kaplan & Meier 1958): survival is the product over the days so far of 1 - buyers / at_risk. On day
-- d are at risk those who were watched through it and had not bought before; day 0 is the view itself. The
-- interval is Greenwood's (1926) on the scale of log(-log), which stays between 0 and 1; it is NULL as long
-- as nobody, and once everybody, has bought. `median_days` is NULL where half have never bought.
with clock as (
    select
        (c.as_of_date + 1)::timestamp at time zone p.timezone as data_end_at,
        p.purchase_lookback_days as last_day,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

goods as (
    select
        p.product_id,
        p.category
    from core.products as p
    where p.product_type = 'goods'
),

first_views as (
    select
        a.visitor_id,
        a.product_id,
        min(a.occurred_at) as first_view_at
    from core.activity as a
    where a.event_type = 'view' and a.product_id is not null
    group by a.visitor_id, a.product_id
),

purchases as (
    select distinct
        a.visitor_id,
        a.product_id,
        a.occurred_at
    from core.activity as a
    where a.event_type = 'purchase' and a.visitor_id is not null
),

first_purchases as (
    select
        v.visitor_id,
        v.product_id,
        min(p.occurred_at) as purchase_at
    from first_views as v
    inner join purchases as p
        on v.visitor_id = p.visitor_id and v.product_id = p.product_id and v.first_view_at <= p.occurred_at
    group by v.visitor_id, v.product_id
),

followed as (
    select
        g.category,
        least(
            floor(extract(epoch from c.data_end_at - v.first_view_at) / 86400)::bigint,
            c.last_day::bigint
        ) as watched_days,
        floor(extract(epoch from p.purchase_at - v.first_view_at) / 86400)::bigint + 1 as purchase_day
    from first_views as v
    cross join clock as c
    inner join goods as g on v.product_id = g.product_id
    left join first_purchases as p on v.visitor_id = p.visitor_id and v.product_id = p.product_id
),

ends as (
    select
        f.category,
        least(f.watched_days, coalesce(f.purchase_day, f.watched_days)) as end_day,
        count(*) as viewers,
        count(*) filter (where f.purchase_day <= f.watched_days) as buyers
    from followed as f
    group by f.category, least(f.watched_days, coalesce(f.purchase_day, f.watched_days))
),

scoped as (
    select
        'category' as scope,
        e.category as key,
        e.end_day,
        e.viewers,
        e.buyers
    from ends as e
    union all
    select
        'all' as scope,
        'all' as key,
        e.end_day,
        sum(e.viewers) as viewers,
        sum(e.buyers) as buyers
    from ends as e
    group by e.end_day
),

totals as (
    select
        s.scope,
        s.key,
        sum(s.viewers) as viewers
    from scoped as s
    group by s.scope, s.key
),

days as (
    select
        m.scope,
        m.key,
        m.viewers,
        d.days_since_view
    from totals as m
    cross join clock as c
    cross join lateral generate_series(0, c.last_day::int) as d(days_since_view)
),

risks as (
    select
        d.scope,
        d.key,
        d.viewers,
        d.days_since_view,
        coalesce(sum(s.viewers), 0) as at_risk,
        coalesce(sum(s.buyers) filter (where s.end_day = d.days_since_view), 0) as buyers
    from days as d
    left join scoped as s on d.scope = s.scope and d.key = s.key and d.days_since_view <= s.end_day
    group by d.scope, d.key, d.viewers, d.days_since_view
),

hazards as (
    select
        r.scope,
        r.key,
        r.viewers,
        r.days_since_view,
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

-- products as sums of logarithms, in the order of the days
curves as (
    select
        h.scope,
        h.key,
        h.viewers,
        h.days_since_view,
        h.at_risk,
        h.buyers,
        sum(b.log_stay order by b.days_since_view) as log_survival,
        sum(b.variance order by b.days_since_view) as variance,
        bool_or(b.at_risk = 0) as is_unknown,
        bool_or(b.at_risk > 0 and b.at_risk = b.buyers) as is_over
    from hazards as h
    inner join hazards as b
        on h.scope = b.scope and h.key = b.key and b.days_since_view <= h.days_since_view
    group by h.scope, h.key, h.viewers, h.days_since_view, h.at_risk, h.buyers
),

estimates as (
    select
        u.scope,
        u.key,
        u.viewers,
        u.days_since_view,
        u.at_risk,
        u.buyers,
        case when u.is_over then 0 when not u.is_unknown then exp(u.log_survival) end as survival,
        case when not u.is_over and not u.is_unknown and u.log_survival < 0 then u.log_survival end
            as log_survival,
        c.z * sqrt(u.variance) / nullif(-u.log_survival, 0) as half,
        u.viewers < c.min_group_size as low_n
    from curves as u
    cross join clock as c
),

medians as (
    select
        e.scope,
        e.key,
        min(e.days_since_view) filter (where e.survival <= 0.5) as median_days
    from estimates as e
    group by e.scope, e.key
),

final as (
    select
        e.scope,
        e.key,
        e.days_since_view,
        e.viewers,
        e.at_risk,
        e.buyers,
        e.survival,
        case
            when e.log_survival is not null
                then exp(greatest(e.log_survival * exp(greatest(e.half, -700)), -700))
        end as ci_low,
        case
            when e.log_survival is not null
                then exp(greatest(e.log_survival * exp(greatest(-e.half, -700)), -700))
        end as ci_high,
        1 - e.survival as share_bought,
        m.median_days,
        e.low_n
    from estimates as e
    inner join medians as m on e.scope = m.scope and e.key = m.key
)

select * from final
