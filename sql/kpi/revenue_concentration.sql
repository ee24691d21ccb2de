-- One row per tenth of the customers, the best ones first: how much of net sales they bring.
-- Customers with a line that counts stand in order of their net sales of all time, returns deducted, ties by
-- id; the decile is ⌈10 · place / customers⌉, so that with fewer than ten customers some deciles are empty.
-- Guests are no customers: the rows add up to net sales without them. Shares of a total that is not positive
-- are NULL. `kpi.revenue_concentration_summary` says how uneven it is in one figure.
with sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

ranked as (
    select
        s.customer_id,
        s.net_sales,
        row_number() over (order by s.net_sales desc, s.customer_id) as place,
        count(*) over () as customers
    from sales as s
),

deciles as (
    select
        (r.place * 10 + r.customers - 1) / nullif(r.customers, 0) as decile,
        count(*) as customers,
        sum(r.net_sales) as net_sales,
        min(r.net_sales) as smallest_net_sales,
        max(r.net_sales) as largest_net_sales
    from ranked as r
    group by (r.place * 10 + r.customers - 1) / nullif(r.customers, 0)
),

spine as (
    select g.decile::bigint as decile
    from generate_series(1, 10) as g(decile)
    where exists (select 1 from sales as s)
),

running as (
    select
        p.decile,
        coalesce(d.customers, 0) as customers,
        coalesce(d.net_sales, 0) as net_sales,
        d.smallest_net_sales,
        d.largest_net_sales,
        sum(coalesce(d.customers, 0)) over (order by p.decile rows unbounded preceding) as cum_customers,
        sum(coalesce(d.net_sales, 0)) over (order by p.decile rows unbounded preceding) as cum_net_sales,
        sum(coalesce(d.customers, 0)) over () as all_customers,
        nullif(greatest(sum(coalesce(d.net_sales, 0)) over (), 0), 0) as all_net_sales
    from spine as p
    left join deciles as d on p.decile = d.decile
),

final as (
    select
        r.decile::smallint as decile,
        r.customers,
        r.net_sales,
        r.net_sales::double precision / nullif(r.all_net_sales, 0) as share,
        r.cum_customers,
        r.cum_customers::double precision / nullif(r.all_customers, 0) as cum_customer_share,
        r.cum_net_sales,
        r.cum_net_sales::double precision / nullif(r.all_net_sales, 0) as cum_share,
        (r.net_sales / nullif(r.customers, 0))::numeric(18, 4) as net_sales_per_customer,
        r.smallest_net_sales,
        r.largest_net_sales,
        k.currency
    from running as r
    cross join core.clock as k
)

select * from final
