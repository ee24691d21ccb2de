-- One row for all customers with a line that counts: how unevenly they bring net sales; no row without
-- customers. `share_of_customers_for_80_percent` is the smallest part of the customers, the best ones first,
-- that brings 80 % of net sales. The Gini coefficient is 0 where all bring the same and nears 1 where one
-- brings all; customers who gave back more than they kept count as 0 in it. Guests are left out. Shares of a
-- total that is not positive are NULL.
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
        s.net_sales,
        greatest(s.net_sales, 0) as positive_net_sales,
        row_number() over (order by s.net_sales desc, s.customer_id) as place,
        sum(s.net_sales) over (order by s.net_sales desc, s.customer_id rows unbounded preceding)
            as cum_net_sales,
        count(*) over () as customers,
        sum(s.net_sales) over () as all_net_sales
    from sales as s
),

sums as (
    select
        count(*) as customers,
        sum(r.net_sales) as net_sales,
        sum(r.positive_net_sales) as positive_net_sales,
        sum((r.customers + 1 - r.place) * r.positive_net_sales) as weighted_net_sales,
        min(r.place) filter (where r.all_net_sales > 0 and r.cum_net_sales * 5 >= r.all_net_sales * 4)
            as customers_for_80_percent,
        sum(r.net_sales) filter (where r.place * 100 <= r.customers) as net_sales_of_top_1_percent,
        sum(r.net_sales) filter (where r.place * 10 <= r.customers) as net_sales_of_top_10_percent,
        sum(r.net_sales) filter (where r.place * 5 <= r.customers) as net_sales_of_top_20_percent,
        count(*) filter (where r.net_sales <= 0) as customers_without_net_sales
    from ranked as r
),

final as (
    select
        s.customers,
        s.net_sales,

        s.weighted_net_sales::double precision * 2
        / nullif(s.customers * s.positive_net_sales::double precision, 0)
        - (s.customers + 1)::double precision / nullif(s.customers, 0) as gini,
        s.customers_for_80_percent,
        s.customers_for_80_percent::double precision / nullif(s.customers, 0)
            as share_of_customers_for_80_percent,
        coalesce(s.net_sales_of_top_1_percent, 0) as net_sales_of_top_1_percent,
        coalesce(s.net_sales_of_top_1_percent, 0)::double precision / nullif(greatest(s.net_sales, 0), 0)
            as share_of_top_1_percent,
        coalesce(s.net_sales_of_top_10_percent, 0) as net_sales_of_top_10_percent,
        coalesce(s.net_sales_of_top_10_percent, 0)::double precision / nullif(greatest(s.net_sales, 0), 0)
            as share_of_top_10_percent,
        coalesce(s.net_sales_of_top_20_percent, 0) as net_sales_of_top_20_percent,
        coalesce(s.net_sales_of_top_20_percent, 0)::double precision / nullif(greatest(s.net_sales, 0), 0)
            as share_of_top_20_percent,
        s.customers_without_net_sales,
        k.currency
    from sums as s
    cross join core.clock as k
    where s.customers > 0
)

select * from final
