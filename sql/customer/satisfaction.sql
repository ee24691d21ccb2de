-- One row per breakdown and member (category, product, location, ..., rating): ratings, returns, and who came
-- back. The rating is the mean over sales lines with one, its interval mean ± 1.96 standard errors.
-- `retention_rate_90d` asks whether a customer ordered again within 90 days of the first order that they ever
-- rated, if that is so long ago; the customer counts in the rows of what was rated then. (Any rated order
-- instead of the first would pick those who order often, the more so the rarer the row.) Without ratings both
-- are NULL. `return_rate` is the value of all returns of the row divided by that of its sales. The breakdown
-- `rating` has the rows low (up to 2), high (4 and more) and middle, by the line for ratings and returns, by
-- the lowest rating of the order for retention; its returns are those that name their sales line, and NULL
-- where these are less than half of all returns.
with lines as (
    select
        s.sale_id,
        s.order_id,
        s.customer_id,
        s.product_id,
        s.line_type,
        s.original_sale_id,
        s.gross_sales - s.discounts as gross_less_discounts,
        s.returns,
        case when s.line_type = 'sale' then s.review_rating end as rating
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

attributed as (
    select
        l.sale_id,
        l.order_id,
        l.product_id,
        p.category,
        case when l.customer_id is null then 'Guest' else m.location end as location,
        case when l.customer_id is null then 'Guest' else m.age_group end as age_group,
        case when l.customer_id is null then 'guest' else m.gender end as gender,
        case when l.customer_id is null then 'Guest' else r.segment end as rfm_segment,
        case when l.customer_id is null then 'Guest' else y.loyalty_segment end as loyalty_segment,
        case
            when l.rating <= 2 then 'low'
            when l.rating >= 4 then 'high'
            when l.rating is not null then 'middle'
        end as rating_band,
        l.gross_less_discounts,
        l.returns,
        l.rating
    from lines as l
    left join core.products as p on l.product_id = p.product_id
    left join core.customers as m on l.customer_id = m.customer_id
    left join customer.rfm as r on l.customer_id = r.customer_id
    left join customer.loyalty as y on l.customer_id = y.customer_id
),

sums as (
    select
        case
            when grouping(a.category) = 0 then 'category'
            when grouping(a.product_id) = 0 then 'product'
            when grouping(a.location) = 0 then 'location'
            when grouping(a.age_group) = 0 then 'age_group'
            when grouping(a.gender) = 0 then 'gender'
            when grouping(a.rfm_segment) = 0 then 'rfm_segment'
            when grouping(a.loyalty_segment) = 0 then 'loyalty_segment'
            else 'all'
        end as breakdown,
        coalesce(
            a.category,
            a.product_id,
            a.location,
            a.age_group,
            a.gender,
            a.rfm_segment,
            a.loyalty_segment,
            'all'
        ) as member,
        count(a.rating) as ratings,
        avg(a.rating) as rating_average,
        stddev_samp(a.rating) as rating_sd,
        coalesce(sum(a.gross_less_discounts), 0) as gross_less_discounts,
        coalesce(sum(a.returns), 0) as returns
    from attributed as a
    group by grouping sets (
        (),
        (a.category),
        (a.product_id),
        (a.location),
        (a.age_group),
        (a.gender),
        (a.rfm_segment),
        (a.loyalty_segment)
    )
),

linked as (
    select
        r.original_sale_id as sale_id,
        sum(r.returns) as returns
    from lines as r
    where r.line_type = 'return' and r.original_sale_id is not null
    group by r.original_sale_id
),

linkable as (
    select
        coalesce(sum(r.returns) filter (where r.original_sale_id is not null), 0) * 2
        >= coalesce(sum(r.returns), 0) as is_linkable
    from lines as r
    where r.line_type = 'return'
),

bands as (
    select
        'rating' as breakdown,
        a.rating_band as member,
        count(a.rating) as ratings,
        avg(a.rating) as rating_average,
        stddev_samp(a.rating) as rating_sd,
        sum(a.gross_less_discounts) as gross_less_discounts,
        case when bool_and(b.is_linkable) then coalesce(sum(l.returns), 0) end as returns
    from attributed as a
    cross join linkable as b
    left join linked as l on a.sale_id = l.sale_id
    where a.rating_band is not null
    group by a.rating_band
),

orders as (
    select
        o.customer_id,
        o.order_id,
        o.order_number,
        o.order_date,
        lead(o.order_date) over (partition by o.customer_id order by o.order_number) as next_order_date,
        c.as_of_date
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

first_rated as (
    select
        o.customer_id,
        min(o.order_number) as order_number
    from lines as l
    inner join orders as o on l.order_id = o.order_id
    where l.rating is not null
    group by o.customer_id
),

asked as (
    select
        o.order_id,
        o.customer_id,
        (o.next_order_date - o.order_date <= 90) is true as is_retained
    from first_rated as f
    inner join orders as o on f.customer_id = o.customer_id and f.order_number = o.order_number
    where o.as_of_date - o.order_date >= 90
),

answers as (
    select distinct
        k.customer_id,
        k.is_retained,
        a.category,
        a.product_id,
        m.location,
        m.age_group,
        m.gender,
        r.segment as rfm_segment,
        y.loyalty_segment,
        min(a.rating) over (partition by k.customer_id) as lowest_rating
    from asked as k
    inner join attributed as a on k.order_id = a.order_id
    inner join core.customers as m on k.customer_id = m.customer_id
    inner join customer.rfm as r on k.customer_id = r.customer_id
    inner join customer.loyalty as y on k.customer_id = y.customer_id
    where a.rating is not null
),

judged as (
    select 'all' as breakdown, 'all' as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'category' as breakdown, w.category as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'product' as breakdown, w.product_id as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'location' as breakdown, w.location as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'age_group' as breakdown, w.age_group as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'gender' as breakdown, w.gender as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'rfm_segment' as breakdown, w.rfm_segment as member, w.customer_id, w.is_retained
    from answers as w
    union
    select 'loyalty_segment' as breakdown, w.loyalty_segment as member, w.customer_id, w.is_retained
    from answers as w
    union
    select
        'rating' as breakdown,
        case when w.lowest_rating <= 2 then 'low' when w.lowest_rating >= 4 then 'high' else 'middle' end
            as member,
        w.customer_id,
        w.is_retained
    from answers as w
),

retained as (
    select
        j.breakdown,
        j.member,
        count(*) as mature_customers,
        count(*) filter (where j.is_retained) as retained_customers
    from judged as j
    group by j.breakdown, j.member
),

members as (
    select
        s.breakdown,
        s.member,
        s.ratings,
        s.rating_average,
        s.rating_sd,
        s.gross_less_discounts,
        s.returns
    from sums as s
    union all
    select
        b.breakdown,
        b.member,
        b.ratings,
        b.rating_average,
        b.rating_sd,
        b.gross_less_discounts,
        b.returns
    from bands as b
),

counted as (
    select
        m.breakdown,
        m.member,
        m.ratings,
        m.rating_average::double precision as rating_average,
        1.959964 * m.rating_sd::double precision / nullif(sqrt(m.ratings), 0) as half_interval,
        m.gross_less_discounts,
        m.returns,
        coalesce(r.mature_customers, 0) as mature_customers,
        coalesce(r.retained_customers, 0) as retained_customers,
        r.retained_customers::double precision as k,
        r.mature_customers::double precision as n,
        1.959964::double precision as z
    from members as m
    left join retained as r on m.breakdown = r.breakdown and m.member = r.member
),

bounded as (
    select
        c.breakdown,
        c.member,
        (c.k + c.z * c.z / 2) / nullif(c.n + c.z * c.z, 0) as centre,
        c.z * sqrt(c.k * (c.n - c.k) / nullif(c.n, 0) + c.z * c.z / 4) / nullif(c.n + c.z * c.z, 0) as half
    from counted as c
    where c.n > 0
),

final as (
    select
        c.breakdown,
        c.member,
        coalesce(p.product_name, c.member) as member_name,
        c.ratings,
        c.rating_average,
        case when c.half_interval is not null then greatest(c.rating_average - c.half_interval, 0) end
            as rating_low,
        case when c.half_interval is not null then least(c.rating_average + c.half_interval, 5) end
            as rating_high,
        c.ratings < g.min_group_size as low_n,
        c.gross_less_discounts,
        c.returns,
        c.returns::double precision / nullif(c.gross_less_discounts, 0) as return_rate,
        c.mature_customers,
        c.retained_customers,
        c.k / nullif(c.n, 0) as retention_rate_90d,
        case when b.half is not null then greatest(b.centre - b.half, 0) end as ci_low,
        case when b.half is not null then least(b.centre + b.half, 1) end as ci_high,
        y.currency
    from counted as c
    cross join core.parameters as g
    cross join core.clock as y
    left join bounded as b on c.breakdown = b.breakdown and c.member = b.member
    left join core.products as p on c.breakdown = 'product' and c.member = p.product_id
)

select * from final
