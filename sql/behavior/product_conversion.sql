-- One row per product, per category and for all goods together, in each month, the last 28 days and all time:
-- how many of those who looked bought. Viewers are visitors with a view in the period. They count as
-- `cart_adders` if a cart of the product follows a view of the period within the window, as `cart_buyers` if
-- a purchase follows both within it, as `buyers` if a purchase follows the view within it, with or without a
-- cart. In a category, and in all, a visitor counts once, if one of the products fulfils it. Views of the
-- last days may still turn into purchases (`viewers_open`). Distinct visitors must not be added up over
-- products or periods. `rate_shrunk` draws the rates of little seen products towards that of their category
-- m, as far as the products differ by chance: (rho k + (1 - rho) m) / (rho n + 1 - rho) for k buyers of n
-- viewers, where rho is the method of moments' estimate of the correlation within products (Kleinman 1973,
-- beta-binomial), between 0 and 1: rho = (S / (m (1 - m)) - (J - 1)) / (N - sum(n^2) / N - (J - 1)), S =
-- sum(k^2 / n) - (sum k)^2 / N over J products. It is the mean of a beta prior worth `prior_viewers` = 1 /
-- rho - 1 viewers. `rank` goes by the lower end of the interval, so that one buyer of one viewer does not
-- beat 90 of 100.
with clock as (
    select
        c.first_interaction_date,
        c.as_of_date,
        c.as_of_date - 27 as recent_from,
        (c.as_of_date + 1)::timestamp at time zone p.timezone as data_end_at,
        p.funnel_window_days * interval '24 hours' as time_limit,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

months as (
    select distinct d.month
    from core.calendar as d
    cross join clock as c
    where d.day between c.first_interaction_date and c.as_of_date
),

goods as (
    select
        p.product_id,
        p.product_name,
        p.category,
        n.number as product
    from core.products as p
    inner join behavior.numbered_names as n on p.product_id = n.name and n.level = 'product'
    where p.product_type = 'goods'
),

categories as (
    select
        g.category,
        row_number() over (order by g.category) as shelf
    from (select distinct h.category from goods as h) as g
),

shelves as (
    select
        g.product,
        c.shelf
    from goods as g
    inner join categories as c on g.category = c.category
),

visits as (
    select
        v.visit_number as visit,
        v.session_month as month,
        v.session_date >= c.recent_from as is_recent,
        v.is_converted as is_bought
    from behavior.numbered_visits as v
    cross join clock as c
),

events as (
    select
        e.visitor_number as visitor,
        case when e.visit_number > 0 then e.visit_number end as visit,
        e.good_number as product,
        e.funnel_step as step,
        e.occurred_at,
        e.occurred_month as month,
        e.occurred_date >= c.recent_from as is_recent
    from behavior.numbered_events as e
    cross join clock as c
    where e.funnel_step is not null
        and e.good_number is not null
        and e.occurred_date >= c.first_interaction_date
),

-- carts with the purchase that follows; only with a cart or a purchase does a visitor get past the view
decisions as (
    select
        e.visitor,
        e.product,
        e.step,
        e.occurred_at,
        min(case when e.step = 3 then e.occurred_at end) over (
            partition by e.visitor, e.product order by e.occurred_at, e.step
            rows between current row and unbounded following
        ) as next_purchase_at
    from events as e
    where e.step > 1 and e.visitor is not null
),

walks as (
    select
        d.visitor,
        d.product,
        d.step,
        d.occurred_at,
        null::date as month,
        null::boolean as is_recent,
        d.next_purchase_at
    from decisions as d
    union all
    select
        e.visitor,
        e.product,
        e.step,
        e.occurred_at,
        e.month,
        e.is_recent,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (select 1 from decisions as d where d.visitor = e.visitor and d.product = e.product)
),

seen as (
    select
        w.visitor,
        w.product,
        w.step,
        w.occurred_at,
        w.month,
        w.is_recent,
        min(case when w.step = 2 then w.occurred_at end) over ahead as next_cart_at,
        min(case when w.step = 2 then w.next_purchase_at end) over ahead as next_cart_purchase_at,
        min(case when w.step = 3 then w.occurred_at end) over ahead as next_purchase_at
    from walks as w
    window ahead as (
        partition by w.visitor, w.product order by w.occurred_at, w.step
        rows between current row and unbounded following
    )
),

-- what became of the views: rows only where something did, or still may
outcomes as (
    select
        s.visitor,
        s.product,
        s.month,
        s.is_recent,
        false as is_young,
        bool_or(s.next_cart_at <= s.occurred_at + c.time_limit) as is_carted,
        bool_or(s.next_cart_purchase_at <= s.occurred_at + c.time_limit) as is_cart_bought,
        bool_or(s.next_purchase_at <= s.occurred_at + c.time_limit) as is_bought
    from seen as s
    cross join clock as c
    where s.step = 1
        and (
            s.next_cart_at <= s.occurred_at + c.time_limit
            or s.next_purchase_at <= s.occurred_at + c.time_limit
        )
    group by s.visitor, s.product, s.month, s.is_recent
    union all
    select distinct
        e.visitor,
        e.product,
        e.month,
        e.is_recent,
        true as is_young,
        false as is_carted,
        false as is_cart_bought,
        false as is_bought
    from events as e
    cross join clock as c
    where e.step = 1 and e.visitor is not null and e.occurred_at + c.time_limit > c.data_end_at
),

parts as (
    select
        o.visitor,
        s.shelf,
        o.product,
        o.month,
        o.is_recent,
        o.is_young,
        o.is_carted,
        coalesce(o.is_cart_bought, false) as is_cart_bought,
        o.is_bought
    from outcomes as o
    inner join shelves as s on o.product = s.product
),

-- one row per visitor, product and period
product_visitors as (
    select
        'month' as span,
        p.visitor,
        p.shelf,
        p.product,
        p.month,
        bool_or(p.is_young) as is_young,
        bool_or(p.is_carted) as is_carted,
        bool_or(p.is_cart_bought) as is_cart_bought,
        bool_or(p.is_bought) as is_bought
    from parts as p
    group by p.visitor, p.shelf, p.product, p.month
    union all
    select
        'recent' as span,
        p.visitor,
        p.shelf,
        p.product,
        null as month,
        bool_or(p.is_young) as is_young,
        bool_or(p.is_carted) as is_carted,
        bool_or(p.is_cart_bought) as is_cart_bought,
        bool_or(p.is_bought) as is_bought
    from parts as p
    where p.is_recent
    group by p.visitor, p.shelf, p.product
    union all
    select
        'all' as span,
        p.visitor,
        p.shelf,
        p.product,
        null as month,
        bool_or(p.is_young) as is_young,
        bool_or(p.is_carted) as is_carted,
        bool_or(p.is_cart_bought) as is_cart_bought,
        bool_or(p.is_bought) as is_bought
    from parts as p
    group by p.visitor, p.shelf, p.product
),

shelf_visitors as (
    select
        p.span,
        p.visitor,
        p.shelf,
        p.month,
        bool_or(p.is_young) as is_young,
        bool_or(p.is_carted) as is_carted,
        bool_or(p.is_cart_bought) as is_cart_bought,
        bool_or(p.is_bought) as is_bought
    from product_visitors as p
    group by p.span, p.visitor, p.shelf, p.month
),

all_visitors as (
    select
        s.span,
        s.visitor,
        s.month,
        bool_or(s.is_young) as is_young,
        bool_or(s.is_carted) as is_carted,
        bool_or(s.is_cart_bought) as is_cart_bought,
        bool_or(s.is_bought) as is_bought
    from shelf_visitors as s
    group by s.span, s.visitor, s.month
),

got_further as (
    select
        'product' as scope,
        p.span,
        p.month,
        p.shelf,
        p.product,
        count(*) filter (where p.is_carted) as cart_adders,
        count(*) filter (where p.is_cart_bought) as cart_buyers,
        count(*) filter (where p.is_bought) as buyers,
        count(*) filter (where p.is_young and not p.is_bought) as viewers_open
    from product_visitors as p
    group by p.span, p.month, p.shelf, p.product
    union all
    select
        'category' as scope,
        s.span,
        s.month,
        s.shelf,
        0 as product,
        count(*) filter (where s.is_carted) as cart_adders,
        count(*) filter (where s.is_cart_bought) as cart_buyers,
        count(*) filter (where s.is_bought) as buyers,
        count(*) filter (where s.is_young and not s.is_bought) as viewers_open
    from shelf_visitors as s
    group by s.span, s.month, s.shelf
    union all
    select
        'all' as scope,
        a.span,
        a.month,
        0 as shelf,
        0 as product,
        count(*) filter (where a.is_carted) as cart_adders,
        count(*) filter (where a.is_cart_bought) as cart_buyers,
        count(*) filter (where a.is_bought) as buyers,
        count(*) filter (where a.is_young and not a.is_bought) as viewers_open
    from all_visitors as a
    group by a.span, a.month
),

-- who looked, each visitor once
product_views as (
    select
        e.visitor,
        e.product,
        e.month,
        bool_or(e.is_recent) as is_recent
    from events as e
    where e.step = 1 and e.visitor is not null
    group by e.visitor, e.product, e.month
),

shelf_views as (
    select
        v.visitor,
        s.shelf,
        v.month,
        bool_or(v.is_recent) as is_recent
    from product_views as v
    inner join shelves as s on v.product = s.product
    group by v.visitor, s.shelf, v.month
),

all_views as (
    select
        v.visitor,
        v.month,
        bool_or(v.is_recent) as is_recent
    from shelf_views as v
    group by v.visitor, v.month
),

viewers as (
    select
        'month' as span,
        v.month,
        0 as shelf,
        v.product,
        count(*) as viewers
    from product_views as v
    group by v.month, v.product
    union all
    select
        'recent' as span,
        null as month,
        0 as shelf,
        v.product,
        count(*) as viewers
    from (select distinct p.visitor, p.product from product_views as p where p.is_recent) as v
    group by v.product
    union all
    select
        'all' as span,
        null as month,
        0 as shelf,
        v.product,
        count(*) as viewers
    from (select distinct p.visitor, p.product from product_views as p) as v
    group by v.product
    union all
    select
        'month' as span,
        v.month,
        v.shelf,
        0 as product,
        count(*) as viewers
    from shelf_views as v
    group by v.month, v.shelf
    union all
    select
        'recent' as span,
        null as month,
        v.shelf,
        0 as product,
        count(*) as viewers
    from (select distinct s.visitor, s.shelf from shelf_views as s where s.is_recent) as v
    group by v.shelf
    union all
    select
        'all' as span,
        null as month,
        v.shelf,
        0 as product,
        count(*) as viewers
    from (select distinct s.visitor, s.shelf from shelf_views as s) as v
    group by v.shelf
    union all
    select
        'month' as span,
        v.month,
        0 as shelf,
        0 as product,
        count(*) as viewers
    from all_views as v
    group by v.month
    union all
    select
        'recent' as span,
        null as month,
        0 as shelf,
        0 as product,
        count(distinct v.visitor) as viewers
    from all_views as v
    where v.is_recent
    union all
    select
        'all' as span,
        null as month,
        0 as shelf,
        0 as product,
        count(distinct v.visitor) as viewers
    from all_views as v
),

people as (
    select
        case when v.product > 0 then 'product' when v.shelf > 0 then 'category' else 'all' end as scope,
        v.span,
        v.month,
        coalesce(s.shelf, v.shelf) as shelf,
        v.product,
        v.viewers,
        coalesce(f.cart_adders, 0) as cart_adders,
        coalesce(f.cart_buyers, 0) as cart_buyers,
        coalesce(f.buyers, 0) as buyers,
        coalesce(f.viewers_open, 0) as viewers_open
    from viewers as v
    left join shelves as s on v.product = s.product
    left join got_further as f
        on v.span = f.span
        and v.month is not distinct from f.month
        and coalesce(s.shelf, v.shelf) = f.shelf
        and v.product = f.product
),

-- events, and sessions with a view; all sessions count for all goods together
session_goods as (
    select
        e.visit,
        e.product,
        e.month,
        bool_or(e.step = 1) as is_viewed,
        bool_or(e.step = 3) as is_bought
    from events as e
    where e.visit is not null and e.step <> 2
    group by e.visit, e.product, e.month
),

recent_visits as (
    select v.visit
    from visits as v
    where v.is_recent
),

session_products as (
    select
        s.visit,
        g.shelf,
        s.product,
        s.month,
        r.visit is not null as is_recent,
        s.is_viewed,
        s.is_bought
    from session_goods as s
    inner join shelves as g on s.product = g.product
    left join recent_visits as r on s.visit = r.visit
),

session_shelves as (
    select
        s.visit,
        s.shelf,
        s.month,
        s.is_recent,
        bool_or(s.is_viewed) as is_viewed,
        bool_or(s.is_viewed and s.is_bought) as is_bought
    from session_products as s
    group by s.visit, s.shelf, s.month, s.is_recent
),

product_traffic as (
    select
        g.shelf,
        e.product,
        e.month,
        e.is_recent,
        count(*) filter (where e.step = 1) as views,
        count(*) filter (where e.step = 2) as carts,
        count(*) filter (where e.step = 3) as purchases
    from events as e
    inner join shelves as g on e.product = g.product
    group by g.shelf, e.product, e.month, e.is_recent
),

traffic as (
    select
        'product' as scope,
        t.shelf,
        t.product,
        t.month,
        t.is_recent,
        t.views,
        t.carts,
        t.purchases,
        0 as sessions,
        0 as sessions_with_purchase
    from product_traffic as t
    union all
    select
        'category' as scope,
        t.shelf,
        0 as product,
        t.month,
        t.is_recent,
        t.views,
        t.carts,
        t.purchases,
        0 as sessions,
        0 as sessions_with_purchase
    from product_traffic as t
    union all
    select
        'all' as scope,
        0 as shelf,
        0 as product,
        t.month,
        t.is_recent,
        t.views,
        t.carts,
        t.purchases,
        0 as sessions,
        0 as sessions_with_purchase
    from product_traffic as t
    union all
    select
        'product' as scope,
        s.shelf,
        s.product,
        s.month,
        s.is_recent,
        0 as views,
        0 as carts,
        0 as purchases,
        count(*) as sessions,
        count(*) filter (where s.is_bought) as sessions_with_purchase
    from session_products as s
    where s.is_viewed
    group by s.shelf, s.product, s.month, s.is_recent
    union all
    select
        'category' as scope,
        s.shelf,
        0 as product,
        s.month,
        s.is_recent,
        0 as views,
        0 as carts,
        0 as purchases,
        count(*) as sessions,
        count(*) filter (where s.is_bought) as sessions_with_purchase
    from session_shelves as s
    where s.is_viewed
    group by s.shelf, s.month, s.is_recent
    union all
    select
        'all' as scope,
        0 as shelf,
        0 as product,
        v.month,
        v.is_recent,
        0 as views,
        0 as carts,
        0 as purchases,
        count(*) as sessions,
        count(*) filter (where v.is_bought) as sessions_with_purchase
    from visits as v
    group by v.month, v.is_recent
),

spans as (
    select s.span
    from (values ('month'), ('recent'), ('all')) as s(span)
),

activity as (
    select
        t.scope,
        s.span,
        t.shelf,
        t.product,
        case when s.span = 'month' then t.month end as month,
        sum(t.views) as views,
        sum(t.carts) as carts,
        sum(t.purchases) as purchases,
        sum(t.sessions) as sessions,
        sum(t.sessions_with_purchase) as sessions_with_purchase
    from traffic as t
    cross join spans as s
    where s.span <> 'recent' or t.is_recent
    group by t.scope, s.span, t.shelf, t.product, case when s.span = 'month' then t.month end
),

-- all months and categories have a row, and every product in the periods in which it was viewed
rows_wanted as (
    select
        'all' as scope,
        0 as shelf,
        0 as product
    from clock as c
    where c.first_interaction_date <= c.as_of_date
    union all
    select distinct
        a.scope,
        a.shelf,
        0 as product
    from activity as a
    where a.scope = 'category'
),

periods as (
    select
        'month' as span,
        m.month,
        to_char(m.month, 'YYYY-MM') as period_name
    from months as m
    union all
    select
        s.span,
        null as month,
        case s.span when 'recent' then 'last 28 days' else 'all' end as period_name
    from spans as s
    where s.span <> 'month'
),

spine as (
    select
        m.scope,
        p.span,
        p.month,
        p.period_name,
        m.shelf,
        m.product
    from rows_wanted as m
    cross join periods as p
    union all
    select
        n.scope,
        n.span,
        n.month,
        p.period_name,
        n.shelf,
        n.product
    from people as n
    inner join periods as p on n.span = p.span and n.month is not distinct from p.month
    where n.scope = 'product'
),

counted as (
    select
        s.scope,
        s.span,
        s.month,
        s.period_name,
        s.shelf,
        s.product,
        coalesce(n.viewers, 0) as viewers,
        coalesce(n.cart_adders, 0) as cart_adders,
        coalesce(n.cart_buyers, 0) as cart_buyers,
        coalesce(n.buyers, 0) as buyers,
        coalesce(n.viewers_open, 0) as viewers_open,
        coalesce(a.views, 0)::bigint as views,
        coalesce(a.carts, 0)::bigint as carts,
        coalesce(a.purchases, 0)::bigint as purchases,
        coalesce(a.sessions, 0)::bigint as sessions,
        coalesce(a.sessions_with_purchase, 0)::bigint as sessions_with_purchase
    from spine as s
    left join people as n
        on s.scope = n.scope
        and s.span = n.span
        and s.month is not distinct from n.month
        and s.shelf = n.shelf
        and s.product = n.product
    left join activity as a
        on s.scope = a.scope
        and s.span = a.span
        and s.month is not distinct from a.month
        and s.shelf = a.shelf
        and s.product = a.product
),

-- the spread of the products of a category around their common rate
sums as (
    select
        n.period_name,
        n.shelf,
        count(*)::double precision as products,
        sum(n.viewers)::double precision as viewers,
        sum(n.buyers)::double precision as buyers,
        sum(n.viewers * n.viewers)::double precision as squared_viewers,
        sum(n.buyers::double precision * n.buyers / nullif(n.viewers, 0) order by n.product) as buyers_by_rate
    from counted as n
    where n.scope = 'product'
    group by n.period_name, n.shelf
),

spreads as (
    select
        s.period_name,
        s.shelf,
        s.buyers / nullif(s.viewers, 0) as category_rate,
        s.viewers - s.squared_viewers / nullif(s.viewers, 0) - (s.products - 1) as divisor,
        (s.buyers_by_rate - s.buyers * s.buyers / nullif(s.viewers, 0))
        / nullif(s.buyers * (s.viewers - s.buyers) / nullif(s.viewers * s.viewers, 0), 0)
        - (s.products - 1) as excess
    from sums as s
),

priors as (
    select
        s.period_name,
        s.shelf,
        s.category_rate,
        case
            when s.divisor > 0 and s.excess > 0 then least(s.excess / nullif(s.divisor, 0), 1)
            else 0::double precision
        end as rho
    from spreads as s
),

-- Wilson's score interval, both ends multiplied by n + z²
intervals as (
    select
        n.scope,
        n.period_name,
        n.shelf,
        n.product,
        n.buyers + c.z * c.z / 2 as middle,
        c.z * sqrt(
            n.buyers::double precision * (n.viewers - n.buyers) / nullif(n.viewers, 0) + c.z * c.z / 4
        ) as half,
        nullif(n.viewers, 0) + c.z * c.z as divisor,
        n.viewers < c.min_group_size as low_n
    from counted as n
    cross join clock as c
),

rated as (
    select
        n.scope,
        n.period_name,
        n.month,
        n.shelf,
        n.product,
        n.viewers,
        n.cart_adders,
        n.cart_buyers,
        n.buyers,
        n.viewers_open,
        n.views,
        n.carts,
        n.purchases,
        n.sessions,
        n.sessions_with_purchase,
        case
            when n.buyers = 0 and n.viewers > 0 then 0
            else (i.middle - i.half) / nullif(i.divisor, 0)
        end as ci_low,
        case
            when n.buyers = n.viewers and n.viewers > 0 then 1
            else (i.middle + i.half) / nullif(i.divisor, 0)
        end as ci_high,
        i.low_n
    from counted as n
    inner join intervals as i
        on n.scope = i.scope and n.period_name = i.period_name and n.shelf = i.shelf and n.product = i.product
),

ranks as (
    select
        r.scope,
        r.period_name,
        r.shelf,
        r.product,
        row_number() over (
            partition by r.scope, r.period_name order by r.ci_low desc, r.shelf, r.product
        ) as rank
    from rated as r
    where not r.low_n and r.scope <> 'all'
),

final as (
    select
        r.scope,
        coalesce(g.product_id, c.category, 'all') as key,
        r.period_name,
        r.month,
        g.product_id,
        g.product_name,
        c.category,
        r.viewers,
        r.cart_adders,
        r.cart_buyers,
        r.buyers,
        r.viewers_open,
        r.cart_adders::double precision / nullif(r.viewers, 0) as view_to_cart_rate,
        r.cart_buyers::double precision / nullif(r.cart_adders, 0) as cart_to_purchase_rate,
        r.buyers::double precision / nullif(r.viewers, 0) as view_to_purchase_rate,
        r.ci_low,
        r.ci_high,
        case
            when r.scope = 'product' then
                (p.rho * r.buyers + (1 - p.rho) * p.category_rate) / nullif(p.rho * r.viewers + 1 - p.rho, 0)
        end as rate_shrunk,
        case when r.scope = 'product' then p.category_rate end as category_rate,
        case when r.scope = 'product' then 1 / nullif(p.rho, 0) - 1 end as prior_viewers,
        k.rank,
        r.views,
        r.carts,
        r.purchases,
        r.purchases::double precision / nullif(r.views, 0) as purchases_per_view,
        r.sessions,
        r.sessions_with_purchase,
        r.sessions_with_purchase::double precision / nullif(r.sessions, 0) as session_conversion,
        r.low_n
    from rated as r
    left join goods as g on r.product = g.product
    left join categories as c on r.shelf = c.shelf
    left join priors as p on r.period_name = p.period_name and r.shelf = p.shelf
    left join ranks as k
        on r.scope = k.scope and r.period_name = k.period_name and r.shelf = k.shelf and r.product = k.product
)

select * from final
