-- One row per finding: a page, product, device or the whole shop where visits of the last 90 days fail more
-- often than they do at comparable places. Every rate is a share of failures, `affected_cases` / `cases`; a
-- finding is listed when at least 100 visits are concerned and the lower end of the 95 % interval of its
-- distance from the benchmark is above 0. `high_exit`: visits that saw the page and ended on it, those with a
-- purchase left out; against the kind of page on all devices. `cart_then_exit`: visits that end with
-- something in the cart and without a purchase until core.parameters.cart_grace_hours later, by device
-- against all devices, by product against its category; the last two days are left out.
-- `search_without_view`: searches not followed by a view within 5 minutes; against all devices.
-- `long_dwell_no_cart`: visits that saw the product and did not put it into the cart, of products whose
-- median time on page is in the upper quarter of the category; against the category. `repeat_view_loops`:
-- visits with four views of the product and more, and no cart; against the category. `device_gap`: visits on
-- mobile devices without a purchase against those on desktops, of the shop and of visits that saw a category.
-- What it costs is a rough estimate over 90 days: failures beyond the benchmark times what such a visit
-- brings where it succeeds. Among many pages some stand out by chance alone: findings with a `q_value` below
-- 0.05, corrected for all candidates of the problem, rank first.
with clock as (
    select
        c.as_of_date,
        c.as_of_date - 90 as before_date,
        c.currency,
        1.959964::double precision as z,
        p.min_group_size,
        p.cart_grace_hours
    from core.clock as c
    cross join core.parameters as p
),

visits as (
    select
        v.session_id,
        v.visitor_id,
        v.device_type,
        v.session_date,
        v.ended_at,
        v.purchases > 0 as is_converted,
        v.net_sales,
        v.exit_page_type,
        v.exit_page_url
    from core.visits as v
    cross join clock as c
    where v.session_date > c.before_date
),

activity as (
    select
        a.event_id,
        a.session_id,
        a.visitor_id,
        a.event_type,
        a.step_rank,
        a.occurred_at,
        a.product_id,
        a.category,
        a.quantity,
        a.dwell_seconds,
        a.page_type,
        a.page_url
    from core.activity as a
    cross join clock as c
    where a.occurred_date > c.before_date
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price
    from core.products as p
),

type_visits as (
    select
        a.session_id,
        a.page_type as page
    from activity as a
    where a.page_type is not null
    union
    select
        v.session_id,
        v.exit_page_type as page
    from visits as v
    where v.exit_page_type is not null
),

type_rates as (
    select
        t.page,
        v.device_type,
        count(*) filter (where not v.is_converted) as cases,
        count(*) filter (where not v.is_converted and v.exit_page_type = t.page) as affected_cases,
        count(*) as sessions,
        sum(v.net_sales) as net_sales
    from type_visits as t
    inner join visits as v on t.session_id = v.session_id
    group by t.page, v.device_type
),

type_benchmarks as (
    select
        r.page,
        sum(r.cases) as cases,
        sum(r.affected_cases) as affected_cases,
        sum(r.net_sales)::double precision / nullif(sum(r.sessions), 0) as worth
    from type_rates as r
    group by r.page
),

url_types as (
    select
        a.page_url as page,
        coalesce(min(a.page_type), 'unknown') as page_type
    from activity as a
    where a.page_url is not null
    group by a.page_url
),

url_visits as (
    select
        a.session_id,
        a.page_url as page
    from activity as a
    where a.page_url is not null
    union
    select
        v.session_id,
        v.exit_page_url as page
    from visits as v
    where v.exit_page_url is not null
),

url_rates as (
    select
        u.page,
        t.page_type,
        count(*) filter (where not v.is_converted) as cases,
        count(*) filter (where not v.is_converted and v.exit_page_url = u.page) as affected_cases,
        count(*) as sessions,
        sum(v.net_sales) as net_sales
    from url_visits as u
    inner join url_types as t on u.page = t.page
    inner join visits as v on u.session_id = v.session_id
    group by u.page, t.page_type
),

url_benchmarks as (
    select
        r.page_type,
        sum(r.cases) as cases,
        sum(r.affected_cases) as affected_cases,
        sum(r.net_sales)::double precision / nullif(sum(r.sessions), 0) as worth
    from url_rates as r
    group by r.page_type
),

purchases as (
    select
        a.visitor_id,
        a.occurred_at
    from activity as a
    where a.event_type = 'purchase' and a.visitor_id is not null
),

carted as (
    select
        a.session_id,
        a.product_id,
        max(a.occurred_at) filter (where a.event_type = 'cart') as last_cart_at,
        sum(
            case a.event_type when 'cart' then coalesce(a.quantity, 1) else -coalesce(a.quantity, 1) end
        ) as quantity
    from activity as a
    where a.event_type in ('cart', 'remove_from_cart')
        and a.session_id is not null and a.product_id is not null
    group by a.session_id, a.product_id
),

carts as (
    select
        v.session_id,
        v.visitor_id,
        v.device_type,
        v.ended_at,
        v.net_sales,
        max(n.last_cart_at) as last_cart_at
    from carted as n
    inner join visits as v on n.session_id = v.session_id
    cross join clock as c
    where n.quantity > 0 and v.session_date < c.as_of_date - 1
    group by v.session_id, v.visitor_id, v.device_type, v.ended_at, v.net_sales
),

bought as (
    select distinct c.session_id
    from carts as c
    cross join clock as k
    inner join purchases as p on c.visitor_id = p.visitor_id
    where p.occurred_at >= c.last_cart_at
        and p.occurred_at <= c.ended_at + k.cart_grace_hours * interval '1 hour'
),

judged_carts as (
    select
        c.session_id,
        c.device_type,
        c.net_sales,
        b.session_id is null as is_abandoned
    from carts as c
    left join bought as b on c.session_id = b.session_id
),

cart_rates as (
    select
        j.device_type,
        count(*) as cases,
        count(*) filter (where j.is_abandoned) as affected_cases,
        count(*) filter (where j.net_sales > 0) as paying,
        sum(j.net_sales) as net_sales
    from judged_carts as j
    group by j.device_type
),

cart_benchmark as (
    select
        sum(r.cases) as cases,
        sum(r.affected_cases) as affected_cases,
        sum(r.net_sales)::double precision / nullif(sum(r.paying), 0) as worth
    from cart_rates as r
),

cart_products as (
    select
        n.product_id,
        count(*) as cases,
        count(*) filter (where j.is_abandoned) as affected_cases
    from carted as n
    inner join judged_carts as j on n.session_id = j.session_id
    where n.quantity > 0
    group by n.product_id
),

cart_categories as (
    select
        p.category,
        sum(r.cases) as cases,
        sum(r.affected_cases) as affected_cases
    from cart_products as r
    inner join products as p on r.product_id = p.product_id
    group by p.category
),

looks as (
    select
        a.session_id,
        a.event_type,
        a.occurred_at,
        min(case when a.event_type = 'view' then a.occurred_at end) over (
            partition by a.session_id order by a.occurred_at, a.step_rank, a.event_id
            rows between 1 following and unbounded following
        ) as next_view_at
    from activity as a
    where a.event_type in ('search', 'view') and a.session_id is not null
),

searches as (
    select
        l.session_id,
        count(*) as searches,
        count(*) filter (
            where l.next_view_at is null or l.next_view_at > l.occurred_at + interval '5 minutes'
        ) as fruitless
    from looks as l
    where l.event_type = 'search'
    group by l.session_id
),

search_rates as (
    select
        v.device_type,
        count(*) as sessions,
        sum(s.searches) as cases,
        sum(s.fruitless) as affected_cases,
        sum(v.net_sales) as net_sales
    from searches as s
    inner join visits as v on s.session_id = v.session_id
    group by v.device_type
),

search_benchmark as (
    select
        sum(r.cases) as cases,
        sum(r.affected_cases) as affected_cases,
        sum(r.net_sales)::double precision / nullif(sum(r.sessions), 0) as worth
    from search_rates as r
),

pairs as (
    select
        a.session_id,
        a.product_id,
        count(*) filter (where a.event_type = 'view') as views,
        count(*) filter (where a.event_type = 'cart') as carts,
        count(*) filter (where a.event_type = 'purchase') as purchases
    from activity as a
    where a.event_type in ('view', 'cart', 'purchase')
        and a.session_id is not null and a.product_id is not null
    group by a.session_id, a.product_id
),

product_rates as (
    select
        p.product_id,
        count(*) as cases,
        count(*) filter (where p.carts = 0 and p.purchases = 0) as without_cart,
        count(*) filter (where p.views >= 4 and p.carts = 0 and p.purchases = 0) as loops,
        count(*) filter (where p.carts > 0) as with_cart,
        count(*) filter (where p.carts > 0 and p.purchases > 0) as bought
    from pairs as p
    inner join visits as v on p.session_id = v.session_id
    where p.views > 0
    group by p.product_id
),

category_rates as (
    select
        p.category,
        sum(r.cases) as cases,
        sum(r.without_cart) as without_cart,
        sum(r.loops) as loops,
        sum(r.bought)::double precision / nullif(sum(r.with_cart), 0) as bought_share
    from product_rates as r
    inner join products as p on r.product_id = p.product_id
    group by p.category
),

dwells as (
    select
        a.product_id,
        count(a.dwell_seconds) as measured_views,
        percentile_cont(0.5) within group (order by a.dwell_seconds::double precision) as median_seconds
    from activity as a
    where a.event_type = 'view' and a.product_id is not null and a.session_id is not null
    group by a.product_id
),

long_dwells as (
    select
        p.category,
        percentile_cont(0.75) within group (order by d.median_seconds) as limit_seconds
    from dwells as d
    inner join products as p on d.product_id = p.product_id
    cross join clock as c
    where d.measured_views >= c.min_group_size
    group by p.category
),

gaps as (
    select
        'shop' as subject_type,
        'all' as subject,
        v.device_type,
        v.is_converted,
        v.net_sales
    from visits as v
    where v.device_type in ('mobile', 'desktop')
    union all
    select
        'category' as subject_type,
        s.category as subject,
        v.device_type,
        v.is_converted,
        v.net_sales
    from (
        select distinct
            a.session_id,
            a.category
        from activity as a
        where a.event_type = 'view' and a.category is not null and a.session_id is not null
    ) as s
    inner join visits as v on s.session_id = v.session_id
    where v.device_type in ('mobile', 'desktop')
),

gap_rates as (
    select
        g.subject_type,
        g.subject,
        g.device_type,
        count(*) as cases,
        count(*) filter (where not g.is_converted) as affected_cases,
        sum(g.net_sales)::double precision / nullif(count(*) filter (where g.is_converted), 0) as worth
    from gaps as g
    group by g.subject_type, g.subject, g.device_type
),

candidates as (
    select
        'high_exit' as problem,
        'page_type' as subject_type,
        r.page as subject,
        null::text as product_name,
        null::text as category,
        r.device_type,
        r.cases as sessions,
        r.cases,
        r.affected_cases,
        b.cases as benchmark_cases,
        b.affected_cases as benchmark_affected,
        b.worth
    from type_rates as r
    inner join type_benchmarks as b on r.page = b.page
    where r.device_type <> 'unknown'
    union all
    select
        'high_exit' as problem,
        'page_url' as subject_type,
        r.page as subject,
        null::text as product_name,
        null::text as category,
        'all' as device_type,
        r.cases as sessions,
        r.cases,
        r.affected_cases,
        b.cases as benchmark_cases,
        b.affected_cases as benchmark_affected,
        b.worth
    from url_rates as r
    inner join url_benchmarks as b on r.page_type = b.page_type
    union all
    select
        'cart_then_exit' as problem,
        'shop' as subject_type,
        'all' as subject,
        null::text as product_name,
        null::text as category,
        r.device_type,
        r.cases as sessions,
        r.cases,
        r.affected_cases,
        b.cases as benchmark_cases,
        b.affected_cases as benchmark_affected,
        b.worth
    from cart_rates as r
    cross join cart_benchmark as b
    where r.device_type <> 'unknown'
    union all
    select
        'cart_then_exit' as problem,
        'product' as subject_type,
        r.product_id as subject,
        p.product_name,
        p.category,
        'all' as device_type,
        r.cases as sessions,
        r.cases,
        r.affected_cases,
        b.cases as benchmark_cases,
        b.affected_cases as benchmark_affected,
        p.price::double precision as worth
    from cart_products as r
    inner join products as p on r.product_id = p.product_id
    inner join cart_categories as b on p.category = b.category
    union all
    select
        'search_without_view' as problem,
        'shop' as subject_type,
        'all' as subject,
        null::text as product_name,
        null::text as category,
        r.device_type,
        r.sessions,
        r.cases,
        r.affected_cases,
        b.cases as benchmark_cases,
        b.affected_cases as benchmark_affected,
        b.worth
    from search_rates as r
    cross join search_benchmark as b
    where r.device_type <> 'unknown'
    union all
    select
        'long_dwell_no_cart' as problem,
        'product' as subject_type,
        r.product_id as subject,
        p.product_name,
        p.category,
        'all' as device_type,
        r.cases as sessions,
        r.cases,
        r.without_cart as affected_cases,
        b.cases as benchmark_cases,
        b.without_cart as benchmark_affected,
        p.price::double precision * b.bought_share as worth
    from product_rates as r
    inner join products as p on r.product_id = p.product_id
    inner join category_rates as b on p.category = b.category
    inner join dwells as d on r.product_id = d.product_id
    inner join long_dwells as l on p.category = l.category
    cross join clock as c
    where d.median_seconds >= l.limit_seconds and d.measured_views >= c.min_group_size
    union all
    select
        'repeat_view_loops' as problem,
        'product' as subject_type,
        r.product_id as subject,
        p.product_name,
        p.category,
        'all' as device_type,
        r.cases as sessions,
        r.cases,
        r.loops as affected_cases,
        b.cases as benchmark_cases,
        b.loops as benchmark_affected,
        p.price::double precision * b.bought_share as worth
    from product_rates as r
    inner join products as p on r.product_id = p.product_id
    inner join category_rates as b on p.category = b.category
    union all
    select
        'device_gap' as problem,
        m.subject_type,
        m.subject,
        null::text as product_name,
        case when m.subject_type = 'category' then m.subject end as category,
        'mobile' as device_type,
        least(m.cases, d.cases) as sessions,
        m.cases,
        m.affected_cases,
        d.cases as benchmark_cases,
        d.affected_cases as benchmark_affected,
        d.worth
    from gap_rates as m
    inner join gap_rates as d
        on m.subject_type = d.subject_type and m.subject = d.subject and d.device_type = 'desktop'
    where m.device_type = 'mobile'
),

numbers as (
    select
        c.problem,
        c.subject_type,
        c.subject,
        c.product_name,
        c.category,
        c.device_type,
        c.sessions,
        c.cases,
        c.affected_cases,
        c.benchmark_cases,
        c.benchmark_affected,
        c.worth,
        c.cases::double precision as n,
        c.affected_cases::double precision as k,
        c.affected_cases::double precision / nullif(c.cases, 0) as rate,
        c.benchmark_cases::double precision as benchmark_n,
        c.benchmark_affected::double precision as benchmark_k,
        c.benchmark_affected::double precision / nullif(c.benchmark_cases, 0) as benchmark
    from candidates as c
    where c.sessions >= 100
),

expectations as (
    select
        r.problem,
        r.subject_type,
        r.subject,
        r.device_type,
        r.rate - r.benchmark as difference,
        case
            when r.problem = 'device_gap' then (r.k + r.benchmark_k) / nullif(r.n + r.benchmark_n, 0)
            else r.benchmark
        end as expected,
        case when r.problem = 'device_gap' then least(r.n, r.benchmark_n) else r.n end as smaller_n,
        case
            when r.problem = 'device_gap' then 1 / nullif(r.n, 0) + 1 / nullif(r.benchmark_n, 0)
            else 1 / nullif(r.n, 0)
        end as precision
    from numbers as r
),

tests as (
    select
        e.problem,
        e.subject_type,
        e.subject,
        e.device_type,
        abs(e.difference) / nullif(sqrt(2 * e.expected * (1 - e.expected) * e.precision), 0) as u
    from expectations as e
    where least(e.smaller_n * e.expected, e.smaller_n * (1 - e.expected)) >= 5
),

chances as (
    select
        t.problem,
        t.subject_type,
        t.subject,
        t.device_type,
        t.u,
        1 / nullif(1 + 0.5::double precision * t.u, 0) as t
    from tests as t
),

p_values as (
    select
        h.problem,
        h.subject_type,
        h.subject,
        h.device_type,
        least(
            1,
            h.t * exp(greatest(
                -h.u * h.u - 1.26551223 + h.t * (1.00002368 + h.t * (0.37409196 + h.t * (0.09678418 + h.t * (
                    -0.18628806 + h.t * (0.27886807 + h.t * (-1.13520398 + h.t * (1.48851587 + h.t * (
                        -0.82215223 + h.t * 0.17087277
                    ))))
                )))),
                -700
            ))
        ) as p
    from chances as h
),

ordered as (
    select
        p.problem,
        p.subject_type,
        p.subject,
        p.device_type,
        p.p,
        row_number() over (
            partition by p.problem, p.subject_type order by p.p, p.subject, p.device_type
        ) as place,
        count(*) over (partition by p.problem, p.subject_type) as tests
    from p_values as p
),

q_values as (
    select
        o.problem,
        o.subject_type,
        o.subject,
        o.device_type,
        o.p,
        least(
            1,
            min(o.p * o.tests / nullif(o.place, 0)) over (
                partition by o.problem, o.subject_type
                order by o.p desc, o.subject desc, o.device_type desc rows unbounded preceding
            )
        ) as q
    from ordered as o
),

bounds as (
    select
        r.problem,
        r.subject_type,
        r.subject,
        r.product_name,
        r.category,
        r.device_type,
        r.sessions,
        r.cases,
        r.affected_cases,
        r.rate,
        r.benchmark_cases,
        r.benchmark,
        r.worth,
        r.n,
        (2 * r.k + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0)))
        / nullif(2 * (r.n + c.z * c.z), 0) as low,
        1 - (
            2 * (r.n - r.k) + c.z * c.z
            - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0))
        ) / nullif(2 * (r.n + c.z * c.z), 0) as high,
        case
            when r.problem = 'device_gap' then (
                2 * r.benchmark_k + c.z * c.z - c.z * sqrt(
                    c.z * c.z + 4 * r.benchmark_k * (r.benchmark_n - r.benchmark_k) / nullif(r.benchmark_n, 0)
                )
            ) / nullif(2 * (r.benchmark_n + c.z * c.z), 0)
            else r.benchmark
        end as benchmark_low,
        case
            when r.problem = 'device_gap' then (
                2 * r.benchmark_k + c.z * c.z + c.z * sqrt(
                    c.z * c.z + 4 * r.benchmark_k * (r.benchmark_n - r.benchmark_k) / nullif(r.benchmark_n, 0)
                )
            ) / nullif(2 * (r.benchmark_n + c.z * c.z), 0)
            else r.benchmark
        end as benchmark_high
    from numbers as r
    cross join clock as c
),

differences as (
    select
        b.problem,
        b.subject_type,
        b.subject,
        b.product_name,
        b.category,
        b.device_type,
        b.sessions,
        b.cases,
        b.affected_cases,
        b.rate,
        greatest(0, b.low) as ci_low,
        least(1, b.high) as ci_high,
        b.benchmark_cases,
        b.benchmark,
        b.rate - b.benchmark as difference,
        b.rate - b.benchmark - sqrt(
            (b.rate - b.low) * (b.rate - b.low)
            + (b.benchmark_high - b.benchmark) * (b.benchmark_high - b.benchmark)
        ) as difference_ci_low,
        b.rate - b.benchmark + sqrt(
            (b.high - b.rate) * (b.high - b.rate)
            + (b.benchmark - b.benchmark_low) * (b.benchmark - b.benchmark_low)
        ) as difference_ci_high,
        b.n * (b.rate - b.benchmark) as excess_cases,
        b.n * (b.rate - b.benchmark) * b.worth as lost
    from bounds as b
),

final as (
    select
        d.problem,
        d.subject_type,
        d.subject,
        d.product_name,
        d.category,
        d.device_type,
        row_number() over (
            order by
                coalesce(q.q < 0.05, false) desc,
                d.lost desc nulls last,
                d.excess_cases desc,
                d.problem,
                d.subject_type,
                d.subject,
                d.device_type
        ) as rank,
        d.sessions,
        d.cases,
        d.affected_cases,
        d.rate,
        d.ci_low,
        d.ci_high,
        d.benchmark_cases,
        d.benchmark,
        d.difference,
        d.difference_ci_low,
        d.difference_ci_high,
        q.p as p_value,
        q.q as q_value,
        d.excess_cases,
        d.lost::numeric(18, 4) as est_lost_sales,
        c.currency,
        q.p is null as low_n
    from differences as d
    cross join clock as c
    left join q_values as q
        on d.problem = q.problem
        and d.subject_type = q.subject_type
        and d.subject = q.subject
        and d.device_type = q.device_type
    where d.difference_ci_low > 0
)

select * from final
